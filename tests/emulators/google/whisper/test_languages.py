import pytest

from voicestt.emulators.google.whisper.languages import whisper_language


@pytest.mark.parametrize(
    ("asked", "whisper"),
    [("en-US", "en"), ("iw-IL", "he"), ("he-IL", "he"), ("HE", "he"), ("cmn-Hans-CN", "zh"), ("pt_BR", "pt")],
)
def test_googles_codes_become_whispers(asked: str, whisper: str) -> None:
    assert whisper_language(asked) == whisper
