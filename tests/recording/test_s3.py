"""The store over a real HTTP server that speaks S3."""

from pathlib import Path

import pytest

from tests.recording.made import BEGAN, played, recorded, session, tone
from tests.recording.s3_server import BUCKET, S3Server
from voicestt.recording.folder import RecordingFolder, session_in
from voicestt.recording.library import RecordingLibrary
from voicestt.recording.s3 import S3Store
from voicestt.recording.store import StoreFailed
from voicestt.recording.wav import WavHeader


def test_what_is_stored_can_be_found_read_in_part_and_deleted(
    store: S3Store, s3: S3Server, tmp_path: Path
) -> None:
    file = tmp_path / "one"
    file.write_bytes(tone(100_000))
    store.put("2026-11-29/one.wav", file)
    store.put("2026-11-30/two.wav", file)
    assert s3.names() == ["calls/2026-11-29/one.wav", "calls/2026-11-30/two.wav"]
    assert store.size("2026-11-29/one.wav") == 100_000
    assert store.read("2026-11-29/one.wav", 5, 10) == tone(100_000)[5:15]
    assert store.read("2026-11-29/one.wav", 5, 0) == b""
    assert store.days() == ["2026-11-29", "2026-11-30"]
    assert list(store.names("2026-11-29/")) == ["2026-11-29/one.wav"]
    store.delete(["2026-11-29/one.wav", "2026-11-29/was-never-there.wav"])
    assert list(store.names()) == ["2026-11-30/two.wav"]
    with pytest.raises(StoreFailed, match="it is not there"):
        store.size("2026-11-29/one.wav")


def test_more_names_than_one_answer_holds(store: S3Store, s3: S3Server) -> None:
    for day in (27, 28, 29):
        for n in range(2):
            s3.client.put_object(Bucket=BUCKET, Key=f"calls/2026-11-{day}/{n}.wav", Body=b"")
    few = S3Store(store.name, s3.url, at_once=2)
    assert len(list(few.names())) == 6
    assert list(few.names("2026-11-28/")) == ["2026-11-28/0.wav", "2026-11-28/1.wav"]
    assert few.days() == ["2026-11-27", "2026-11-28", "2026-11-29"]


def test_a_store_that_is_away_or_has_no_such_bucket_is_said_in_words_without_a_key(
    s3: S3Server, store: S3Store
) -> None:
    with pytest.raises(StoreFailed, match="NoSuchBucket, HTTP status 404"):
        list(S3Store("s3://there-is-none", s3.url).names())
    with pytest.raises(StoreFailed, match="EndpointConnectionError"):
        S3Store(f"s3://{BUCKET}", "http://127.0.0.1:9").days()


def test_recordings_are_found_and_played_wherever_they_are(library: RecordingLibrary, store: S3Store) -> None:
    here = recorded(library.folder, "CA1", tone(1_000))
    there = recorded(library.folder, "CA1", tone(2_000), began=BEGAN + 0.125)
    recorded(library.folder, "CA2")
    other = recorded(library.folder, "CA1", began=BEGAN - 5 * 86_400)  # an old call of that beginning
    store.put(library.folder.name_of(there), there)
    there.unlink()
    found = library.of_call("CA1")
    assert [each.path for each in found] == [here, None]
    assert [each.session for each in found] == [session_in(here.name), session_in(there.name)]
    audio = library.open(found)
    assert (audio.seconds, audio.header.tracks) == (0.375, 1)
    assert (played(audio.read(0, audio.size)) == played(played_twice())).all()
    audio.close()
    alone = library.open_session(session_in(there.name), "pcm16")
    assert alone is not None
    assert alone.seconds == 0.25
    assert library.open_session(session()) is None
    assert library.find("../../etc/passwd") is None
    assert library.erase([session_in(here.name), session_in(there.name), session(), "nonsense"]) == 2
    assert [each.path for each in library.of_call("CA1")] == [other]
    assert library.of_call("CA3") == []


def played_twice() -> bytes:
    """The two streams of the call, by hand."""
    audio = tone(1_000) + tone(2_000)
    return WavHeader(1, 3_000, BEGAN).encode() + audio


def test_a_library_without_a_store_has_what_is_in_its_folder(tmp_path: Path) -> None:
    library = RecordingLibrary(RecordingFolder(tmp_path))
    path = recorded(library.folder, "CA1")
    (found,) = library.of_call("CA")
    assert found.path == path
    assert library.store_name == ""
    assert library.erase([found.session]) == 1
    assert library.find(found.session) is None
