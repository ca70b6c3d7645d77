"""The care of recordings: repair, the way to a real store, and deletion."""

from pathlib import Path

import pytest

from tests.conftest import Logged
from tests.recording.made import BEGAN, played, recorded, tone
from tests.recording.s3_server import BUCKET, S3Server
from tests.recording.test_recorder import until
from voicestt.recording.audio_file import PARTIAL
from voicestt.recording.care import RecordingCare
from voicestt.recording.folder import RecordingFolder
from voicestt.recording.library import RecordingLibrary
from voicestt.recording.retention import RecordingRetention, days_kept
from voicestt.recording.s3 import S3Store
from voicestt.runtime.backoff import Backoff

DAY = 86_400.0


class Time:
    """Both clocks of a machine."""

    def __init__(self) -> None:
        self.wall, self.steady = BEGAN, 0.0

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def care_of(library: RecordingLibrary, time: Time, days: float = 30) -> RecordingCare:
    retention = RecordingRetention(library.folder, library.store, days, lambda: time.wall, lambda: time.steady)
    return RecordingCare(library, retention, Backoff(10.0, 100.0), lambda: time.steady)


def test_recordings_move_to_the_store_and_play_from_there(
    library: RecordingLibrary, s3: S3Server, time: Time
) -> None:
    first, second = recorded(library.folder, "CA1"), recorded(library.folder, "CA2", ours=tone(900))
    sounds = [played(path) for path in (first, second)]
    care = care_of(library, time)
    care.step()
    assert list(library.folder.whole()) == []
    assert len(s3.names()) == 2
    assert (care.stored, care.failed, care.waiting, care.trouble) == (2, 0, 0, "")
    for name, sound in zip(("CA1", "CA2"), sounds, strict=True):
        audio = library.open(library.of_call(name))
        assert (played(audio.read(0, audio.size)) == sound).all()


def test_a_store_that_is_away_loses_nothing_and_is_asked_ever_less_often(
    tmp_path: Path, s3: S3Server, time: Time, logged: Logged
) -> None:
    away = RecordingLibrary(RecordingFolder(tmp_path), S3Store(f"s3://{BUCKET}-2", s3.url))
    path = recorded(away.folder)
    care = care_of(away, time)
    asked = []
    for second in range(60):
        time.steady = second
        care.step()
        asked.append(care.failed)
    assert path.exists()
    assert asked[-1] == 3  # at 0, 10 and 30
    assert (care.stored, care.waiting) == (0, 1)
    assert len(logged.matching("does not take recordings (NoSuchBucket, HTTP status 404); 1 of them wait")) == 1
    s3.client.create_bucket(Bucket=f"{BUCKET}-2")
    time.steady = 1_000
    care.step()
    assert not path.exists()
    assert (care.stored, care.waiting, care.trouble) == (1, 0, "")
    assert logged.matching("takes recordings again")


def test_the_store_is_not_left_with_what_was_erased_during_the_upload(
    library: RecordingLibrary, store: S3Store, s3: S3Server, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(library.folder)
    put = store.put

    def put_while_it_is_erased(name: str, file: Path) -> None:
        put(name, file)
        path.unlink()

    monkeypatch.setattr(store, "put", put_while_it_is_erased)
    care = care_of(library, time)
    care.step()
    assert (s3.names(), care.stored) == ([], 0)


def test_recordings_of_killed_processes_are_finished_and_moved(
    library: RecordingLibrary, s3: S3Server, time: Time, logged: Logged
) -> None:
    path = recorded(library.folder)
    path.rename(path.with_name(path.name + PARTIAL))
    strange = path.with_name("0123456789ab00.CA9.wav" + PARTIAL)
    strange.write_bytes(b"x" * 1_000)
    care = care_of(library, time)
    care.start()
    until(lambda: care.stored)
    care.stop(5.0)
    assert care.repaired == 1
    assert s3.names()[0].endswith(path.name)
    assert strange.exists()
    assert logged.matching("cannot be finished (does not say when it began")


def test_what_is_too_old_is_deleted_here_and_in_the_store(
    library: RecordingLibrary, store: S3Store, time: Time
) -> None:
    folder = library.folder
    for days in (0, 10, 29, 31, 40, 400):
        path = recorded(folder, f"CA{days}", began=BEGAN - days * DAY)
        if days in {10, 40}:
            store.put(folder.name_of(path), path)
            path.unlink()
    live = recorded(folder, "CA50", began=BEGAN - 50 * DAY)
    live.rename(live.with_name(live.name + PARTIAL))
    retention = RecordingRetention(folder, store, 30, lambda: time.wall, lambda: time.steady)
    assert retention.step() == 3
    assert [path.name.split(".")[1] for path in folder.whole()] == ["CA29", "CA0"]
    assert [name.split(".")[1] for name in store.names()] == ["CA10"]
    assert len(list(folder.partial())) == 1
    assert len(folder.days()) == 4, "old days are gone, where nothing is left of them"


def test_a_clock_that_jumps_deletes_nothing_for_a_day(tmp_path: Path, time: Time, logged: Logged) -> None:
    folder = RecordingFolder(tmp_path)
    recorded(folder)
    retention = RecordingRetention(folder, None, 30, lambda: time.wall, lambda: time.steady)
    assert retention.step() == 0
    time.wall += 365 * DAY
    assert retention.step() == 0
    assert len(logged.matching("The clock that the care of recordings goes by jumped")) == 1
    time.advance(DAY)
    assert retention.step() == 1


@pytest.mark.parametrize(
    ("record_days", "journal_days", "days"),
    [(30, 30, 30), (30, 7, 7), (7, 30, 7), (0, 30, 30), (7, 0, 7), (0, 0, 0)],
)
def test_no_recording_outlives_the_journals_word_of_its_call(
    record_days: float, journal_days: float, days: float
) -> None:
    assert days_kept(record_days, journal_days) == days


def test_days_of_0_keep_for_ever(tmp_path: Path, time: Time) -> None:
    folder = RecordingFolder(tmp_path)
    recorded(folder, began=0)
    assert RecordingRetention(folder, None, 0, lambda: time.wall, lambda: time.steady).step() == 0
