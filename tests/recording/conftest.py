"""A server that speaks S3, and the library of a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recording.s3_server import BUCKET, KEYS, S3Server, s3_server
from voicestt.recording.folder import RecordingFolder
from voicestt.recording.library import RecordingLibrary
from voicestt.recording.s3 import S3Store


@pytest.fixture(scope="package")
def s3() -> Iterator[S3Server]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        with s3_server() as server:
            yield server


@pytest.fixture
def store(s3: S3Server) -> Iterator[S3Store]:
    """An empty store below a prefix."""
    yield S3Store(f"s3://{BUCKET}/calls", s3.url)
    for name in s3.names():
        s3.client.delete_object(Bucket=BUCKET, Key=name)


@pytest.fixture
def library(tmp_path: Path, store: S3Store) -> RecordingLibrary:
    return RecordingLibrary(RecordingFolder(tmp_path / "recordings"), store)
