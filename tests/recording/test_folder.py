from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.recording.made import BEGAN, recorded, session
from voicestt.recording.audio_file import PARTIAL
from voicestt.recording.folder import (
    RecordingFolder,
    call_sid_in,
    day_of,
    is_session,
    name_of,
    session_in,
)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64))
def test_whatever_a_callsid_is_it_makes_one_name_in_one_folder(call_sid: str) -> None:
    of = session()
    name = name_of(of, call_sid)
    day, _, file = name.partition("/")
    assert day == day_of(of) == "2026-11-30"
    assert "/" not in file
    assert len(file) < 255
    assert (session_in(name), call_sid_in(name), call_sid_in(name + PARTIAL)) == (of, call_sid, call_sid)


@given(st.text(max_size=80))
def test_only_a_session_becomes_part_of_a_path(text: str) -> None:
    if is_session(text):
        assert set(text) <= set("0123456789abcdef")
    assert RecordingFolder("nowhere").of_session(text) is None


def test_recordings_are_found_by_their_session_and_by_their_day(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path)
    first, second = recorded(folder, "CA1"), recorded(folder, "CA2", began=BEGAN + 86_400)
    (tmp_path / "2026-11-30" / "notes.txt").write_text("not ours")
    (tmp_path / "other").mkdir()
    assert folder.of_session(session_in(first.name)) == first
    assert folder.of_session(session(0)) is None
    assert list(folder.whole()) == [first, second]
    assert folder.of_day("2026-12-01") == [second]
    assert folder.name_of(second) == f"2026-12-01/{second.name}"
    live = first.rename(first.with_name(first.name + PARTIAL))
    assert folder.of_session(session_in(first.name)) == live
    assert list(folder.partial()) == [live]
