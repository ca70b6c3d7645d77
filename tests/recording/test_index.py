from pathlib import Path

from tests.recording.made import BEGAN, recorded, session
from tests.recording.s3_server import S3Server
from voicestt.recording.folder import RecordingFolder, session_in
from voicestt.recording.index import STORE_SECONDS, RecordingIndex
from voicestt.recording.library import RecordingLibrary
from voicestt.recording.s3 import S3Store


def test_a_recording_is_known_as_soon_as_it_is_there_and_no_longer(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path)
    index = RecordingIndex(folder)
    assert not index.has(session())
    assert not index.has("nonsense")
    for _ in range(2):
        path = recorded(folder)
        assert index.has(session_in(path.name))
        path.unlink()
        assert not index.has(session_in(path.name))


def test_of_the_store_it_is_known_for_a_while(library: RecordingLibrary, store: S3Store, s3: S3Server) -> None:
    now = [0.0]
    index = RecordingIndex(library.folder, store, lambda: now[0])
    path = recorded(library.folder)
    of = session_in(path.name)
    store.put(library.folder.name_of(path), path)
    path.unlink()
    assert index.has(of)
    store.delete(list(store.names()))
    assert index.has(of)
    now[0] = STORE_SECONDS
    assert not index.has(of)
    away = RecordingIndex(library.folder, S3Store("s3://there-is-none", s3.url))
    assert not away.has(of)


def test_many_days_are_not_all_remembered(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path)
    index = RecordingIndex(folder)
    paths = [recorded(folder, began=BEGAN + day * 86_400) for day in range(105)]
    assert all(index.has(session_in(path.name)) for path in paths)
    assert len(index._here) < 100
