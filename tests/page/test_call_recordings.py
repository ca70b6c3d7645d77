"""Recordings in the page's list of calls, in the view of one, and when a call is erased."""

from pathlib import Path

import pytest

from tests.journal.made import WEBHOOK, Call, Journals
from tests.page.test_calls_api import ERASE, LIST, ONE, Asked, visit
from tests.recognisers.on_reactor import on_reactor
from tests.recording.made import recorded, tone
from voicestt.page.call_recordings import CallRecordings
from voicestt.page.calls_api import CallsApi
from voicestt.page.visit import PageError
from voicestt.recording.folder import RecordingFolder, session_in
from voicestt.recording.library import RecordingLibrary


@on_reactor
async def test_a_recorded_call_is_listed_shown_and_erased_with_its_recording(tmp_path: Path) -> None:
    url, folder = f"sqlite:///{tmp_path}/journal.db", RecordingFolder(tmp_path / "recordings")
    path = recorded(folder, "CA1", audio=tone(20_000), ours=tone(4_000))
    opened = await Journals(url).open(WEBHOOK)
    calls = Call("CA1"), Call("CA2")
    calls[0].session = session_in(path.name)
    for call in calls:
        await opened.write(call.started(), call.ended())
    await opened.journal.close()
    asked = Asked(url)
    asked.api = CallsApi(asked.queries, "he-IL", CallRecordings(lambda: RecordingLibrary(folder)))
    listed = {call["call_sid"]: call["recorded"] for call in (await asked(LIST, visit()))["calls"]}
    assert listed == {"CA1": True, "CA2": False}
    one = await asked(ONE, visit(), session=calls[0].session)
    assert one["recording"] == {"tracks": 2, "duration_s": 2.5}
    assert (await asked(ONE, visit(), session=calls[1].session))["recording"] is None
    await asked(ERASE, visit(), session=calls[0].session)
    assert list(folder.whole()) == []
    assert [call["call_sid"] for call in (await asked(LIST, visit()))["calls"]] == ["CA2"]
    asked.queries.stop()


def test_what_cannot_be_read_is_not_shown_and_what_cannot_be_erased_is_said(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path)
    path = recorded(folder)
    path.write_bytes(b"x" * 500)
    recordings = CallRecordings(lambda: RecordingLibrary(folder))
    assert recordings.has(session_in(path.name))
    assert recordings.about(session_in(path.name)) is None
    assert recordings.about(session_in(path.name).replace("0", "1")) is None
    path.unlink()
    path.mkdir()
    with pytest.raises(PageError, match="The recording cannot be erased"):
        recordings.erase(session_in(path.name))


def test_before_the_start_there_are_none() -> None:
    recordings = CallRecordings(lambda: None)
    assert not recordings.has("00" * 14)
    assert recordings.about("00" * 14) is None
    recordings.erase("00" * 14)
