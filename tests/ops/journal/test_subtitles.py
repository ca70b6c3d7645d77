from types import SimpleNamespace

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journal.made import Call
from voicestt.ops.journal.spoken import SpokenStream, TranscriptLine, _line_of_words
from voicestt.ops.journal.subtitles import NOT_KEPT, one_line, subtitles

_times = st.none() | st.floats(0, 3_600)


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_whatever_is_said_makes_one_cue_of_two_lines(kind: str) -> None:
    @given(st.lists(st.text(), min_size=1, max_size=5))
    def holds(texts: list[str]) -> None:
        lines = [TranscriptLine(float(at), at + 0.5, Call().final(text)) for at, text in enumerate(texts)]
        made = subtitles([SpokenStream(SimpleNamespace(started_at=0.0), lines)], kind)
        cues = made.removeprefix("WEBVTT\n\n").rstrip("\n").split("\n\n")
        assert [cue.split("\n")[2] for cue in cues] == [one_line(text, kind) for text in texts]
        assert made.count("-->") == len(texts)
        assert len(pysubs2.SSAFile.from_string(made)) == len(texts)

    holds()


@given(st.text())
def test_one_line_is_one_line_and_never_empty(text: str) -> None:
    for kind in ("srt", "vtt"):
        line = one_line(text, kind)
        assert line
        assert len(line.splitlines()) == 1
        assert "-->" not in line
        assert not set("<>") & set(one_line(text, "vtt").replace(NOT_KEPT, ""))


@given(_times, _times, _times, st.floats(0, 1_000), st.text())
def test_a_line_has_a_length_and_begins_with_the_call_or_later(
    start: float | None, end: float | None, heard: float | None, before: float, text: str
) -> None:
    final = Call().final(text, start=start, end=end)
    line = _line_of_words(final, 1_795_417_200.0 - (heard or 0.0), before)
    assert line.start >= 0
    assert line.end - line.start >= 0.49
    if start is not None:
        assert line.start == start
    if start is not None and end is not None:
        assert not line.is_estimated
