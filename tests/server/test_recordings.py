"""Recordings of a whole server: what callers say and hear, health, metrics, and nothing where it is off."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.recognisers.on_reactor import on_reactor, reactor
from tests.recording.made import played, recorded, sound, tone
from tests.server.fakes import settings_of
from tests.server.in_memory import CONNECTED, STOP, Server, media, start
from voicestt.audio import mulaw
from voicestt.recording.folder import RecordingFolder, call_sid_in
from voicestt.recording.recorder import AudioRecorder
from voicestt.runtime.deadline import Deadline
from voicestt.runtime.metrics import RollingMetrics
from voicestt.server.metrics.of_recordings import RecordingFamilies
from voicestt.server.numbers import Numbers
from voicestt.server.recordings import RecordingCheck, ServerRecordings

GREETING = tone(320, 60)


class RecordingServer(Server):
    """A server that records its calls in a folder."""

    def __init__(self, clock: Clock, folder: Path, tracks: int) -> None:
        self.records = self.recorder = AudioRecorder(RecordingFolder(folder), tracks, clock)
        self.records.start()
        super().__init__(clock, GREETING)

    def recordings(self) -> list[Path]:
        self.records.stop()
        return list(self.records.folder.whole())


@pytest.fixture(params=[1, 2])
def recording_server(
    autobahn_clock: Clock, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[RecordingServer]:
    made = RecordingServer(autobahn_clock, tmp_path / "recordings", request.param)
    yield made
    made.records.stop()


def test_a_call_is_recorded_from_its_start_to_its_stop(recording_server: RecordingServer) -> None:
    server = recording_server
    joined = server.join()
    joined.say(CONNECTED, media(tone(160)), start("CA7"))
    for n in range(10):
        server.clock.advance(0.02)
        joined.say(media(tone(160, n)))
    joined.say(STOP, media(tone(160)))
    server.recogniser.session.end()
    (path,) = server.recordings()
    assert call_sid_in(path.name) == "CA7"
    left = b"".join(tone(160, n) for n in range(10))
    right = (GREETING + mulaw.SILENCE * 1_600)[: len(left)]
    channels = [left] if server.records.tracks == 1 else [left, right]
    assert (played(path) == sound(*channels)).all()


def test_a_lost_socket_ends_the_recording_and_a_refused_start_has_none(recording_server: RecordingServer) -> None:
    server = recording_server
    refused = server.join()
    refused.say(CONNECTED, start("CA8", mediaFormat={"encoding": "audio/x-alaw"}), media(tone(160)))
    joined = server.join()
    joined.say(CONNECTED, start("CA9"), media(tone(160)))
    joined.lose()
    server.recogniser.session.end()
    assert [call_sid_in(path.name) for path in server.recordings()] == ["CA9"]


def test_streams_of_one_call_have_a_recording_each(recording_server: RecordingServer) -> None:
    server = recording_server
    for _ in range(2):
        joined = server.join()
        joined.say(CONNECTED, start("CA1"), media(tone(160)))
        joined.lose()
        server.recogniser.sessions[-1].end()
    assert [call_sid_in(path.name) for path in server.recordings()] == ["CA1", "CA1"]


def test_a_number_may_be_kept_out_of_the_recordings(recording_server: RecordingServer, tmp_path: Path) -> None:
    server = recording_server
    (tmp_path / "numbers.toml").write_text('["*"]\nrecording = false\n')
    numbers = Numbers(settings_of(NUMBERS_FILE=str(tmp_path / "numbers.toml")))
    numbers.load(None)
    server.calls._numbers = numbers
    joined = server.join()
    joined.say(CONNECTED, start("CA9"), media(tone(160)), STOP)
    server.recogniser.session.end()
    assert server.recordings() == []


def recordings_of(folder: Path, **variables: str) -> ServerRecordings:
    return ServerRecordings(reactor, settings_of(RECORD_DIR=str(folder), **variables))


@on_reactor
async def test_off_starts_nothing_and_reads_nothing(tmp_path: Path) -> None:
    off = recordings_of(tmp_path / "none")
    await off.start()
    assert (off.recorder, off.care) == (None, None)
    assert off.library is not None
    assert off.library.of_call("CA1") == []
    assert list(RecordingFamilies(off).collect()) == []
    await off.stop(Deadline(reactor, 10))
    assert not (tmp_path / "none").exists()


@on_reactor
async def test_off_still_deletes_what_is_too_old(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path)
    recorded(folder, began=1_000_000.0)
    off = recordings_of(tmp_path)
    await off.start()
    care = off.care
    assert care is not None
    await off.stop(Deadline(reactor, 10))
    assert off.recorder is None
    assert (care.deleted, list(folder.whole())) == (1, [])


@on_reactor
async def test_what_is_missing_is_a_problem_and_counted(tmp_path: Path, logged: Logged) -> None:
    (tmp_path / "taken").write_text("a file in the place of the folder")
    recordings = recordings_of(tmp_path / "taken", RECORD="both")
    await recordings.start()
    recorder, metrics = recordings.recorder, RollingMetrics()
    check = RecordingCheck(metrics, recordings)
    assert recorder is not None
    assert list(check()) == []
    assert logged.matching("Calls are recorded: both, in")
    recording = recorder.new("00" * 14)
    recording.begin("CA1")
    recording.caller(tone(16_000), "0")
    await recordings.stop(Deadline(reactor, 10))
    (problem,) = check()
    assert problem.kind == "recording"
    assert problem.text.startswith("recordings are not written as they should (")
    assert problem.text.endswith("): 2 s are missing")
    values = {
        sample.name: sample.value
        for family in RecordingFamilies(recordings).collect()
        for sample in family.samples
    }
    assert values["voicestt_recording_dropped_seconds_total"] == 2.0
    assert values["voicestt_recordings_total"] == 1
    assert values["voicestt_recordings_live"] == 0
    assert logged.matching("RECORD_DIR cannot be written")
