from pathlib import Path

import pytest

from voicestt.ops.demo.voices import (
    NoVoices,
    Voice,
    in_waves,
    packaged_voices,
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "librivox").mkdir()
    lines = "<s> he was not ill </s> (sense_austen_64kb-0880)\n<s> unless </s> (sense_austen_64kb-0890)\n"
    (tmp_path / "librivox" / "transcription").write_text(lines, "utf-8")
    return tmp_path


def test_the_packages_recordings_come_with_their_words(package: Path) -> None:
    assert packaged_voices(package) == [
        Voice("austen-0880", package / "librivox" / "sense_austen_64kb-0880.wav", "he was not ill"),
        Voice("austen-0890", package / "librivox" / "sense_austen_64kb-0890.wav", "unless"),
        Voice("goforward", package / "goforward.raw", "go forward ten meters"),
    ]


def test_without_the_package_its_name_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoVoices, match="apt-get install pocketsphinx-testdata"):
        packaged_voices(tmp_path)


def test_the_first_calls_alone_and_the_others_in_pairs() -> None:
    voices = [Voice(name, Path(name), None) for name in "abcd"]
    assert [[voice.name for voice in wave] for wave in in_waves(voices)] == [["a"], ["b", "c"], ["d"]]
    assert in_waves(voices[:1]) == [voices[:1]]
