import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.google import script
from voicestt.emulators.google.script import BadScript, Script

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: bool(text.split())
)


@st.composite
def scripts(draw: st.DrawFn) -> dict[str, Any]:
    """Scripts as a person may write them: whole hundredths of seconds, in order."""
    utterances, now = [], 0
    for text in draw(st.lists(WORDS, min_size=1, max_size=5)):
        start = now + draw(st.integers(0, 300))
        now = start + draw(st.integers(1, 500))
        utterances.append({"text": text, "start": start / 100, "end": now / 100})
    written: dict[str, Any] = {"utterances": utterances}
    if draw(st.booleans()):
        written["repeat"] = (now + draw(st.integers(0, 200))) / 100
    return written


@given(scripts())
def test_a_script_is_read_as_it_is_written(written: dict[str, Any]) -> None:
    read = script.parse(json.dumps(written, ensure_ascii=False))
    assert [(one.text, one.start, one.end) for one in read.utterances] == [
        (one["text"], one["start"], one["end"]) for one in written["utterances"]
    ]
    assert read.repeat == written.get("repeat")


@given(st.one_of(st.text(), st.binary(), st.recursive(st.integers() | st.text(), st.lists).map(json.dumps)))
def test_anything_else_is_a_bad_script_and_nothing_worse(text: str | bytes) -> None:
    with contextlib.suppress(BadScript):
        assert isinstance(script.parse(text), Script)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({}, "nothing to say"),
        ({"utterances": [{"text": " ", "start": 0, "end": 1}]}, "`text` is empty"),
        ({"utterances": [{"text": "a", "start": 2, "end": 1}]}, "before `end`"),
        ({"utterances": [{"text": "a", "start": 0, "end": 2}, {"text": "b", "start": 1, "end": 3}]}, "follow"),
        ({"utterances": [{"text": "a", "start": 0, "end": 2}], "repeat": 1}, "`repeat` (1)"),
        ({"utterances": [{"text": "a", "start": 0, "end": 2}], "final_delay": -1}, "`final_delay`"),
        ({"utterances": [{"text": "a", "start": 0, "stop": 2}]}, "stop"),
        ({"utterances": [{"text": "a", "start": "soon", "end": 2}]}, "$.utterances[0].start"),
    ],
)
def test_what_is_wrong_is_said(written: dict[str, Any], words: str) -> None:
    with pytest.raises(BadScript) as caught:
        script.parse(json.dumps(written))
    assert words in str(caught.value)


def test_a_file_is_named_in_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "hello.json"
    with pytest.raises(BadScript, match=r"hello\.json cannot be opened"):
        script.load(path)
    path.write_text("{")
    with pytest.raises(BadScript, match=r"hello\.json"):
        script.load(path)
    path.write_text('{"utterances": [{"text": "שלום", "start": 0, "end": 1}]}', encoding="utf-8")
    assert script.load(path).utterances[0].text == "שלום"
