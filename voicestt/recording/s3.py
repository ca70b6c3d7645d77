"""A store of recordings that speaks Amazon's S3 API: Amazon's own, or another that is compatible; by boto3.

Uploads carry the MD5 of the file, which the store compares; and a file counts as stored when the store says how
long it is. Source: Amazon S3 API Reference (PutObject, HeadObject, GetObject, ListObjectsV2, DeleteObject).
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

from voicestt.recording.store import StoreFailed

Value = TypeVar("Value")

_CONNECT_SECONDS: Final = 3
_READ_SECONDS: Final = 30
_ATTEMPTS: Final = 2  # the uploader has a backoff of its own
_NO_LIBRARY: Final = "needs the extra `s3` (pip install '.[s3]' in the checkout)"
_NOT_THERE: Final = frozenset({"404", "NoSuchKey", "NotFound"})


class S3Store:
    """The recordings below `address`, which is `s3://BUCKET/PREFIX`, at `endpoint` or at Amazon.

    `at_once` names are asked for in a request.
    """

    def __init__(self, address: str, endpoint: str | None = None, at_once: int = 1_000) -> None:
        self.name = address
        self._bucket, _, prefix = address.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._at_once = at_once
        self._client = _client(endpoint)

    def put(self, name: str, path: Path) -> None:
        """Store the file; when this returns, the store has all of it."""
        size = path.stat().st_size
        with path.open("rb") as file:
            digest = b64encode(hashlib.file_digest(file, _md5).digest()).decode()
            file.seek(0)
            self._ask(
                self._client.put_object,
                Key=self._key(name),
                Body=file,
                ContentLength=size,
                ContentMD5=digest,
                ContentType="audio/x-wav",
            )
        stored = self.size(name)
        if stored != size:
            raise StoreFailed(f"it says that it has {stored} bytes of {size}")

    def size(self, name: str) -> int:
        """Return the length of a recording in bytes."""
        return int(self._ask(self._client.head_object, Key=self._key(name))["ContentLength"])

    def read(self, name: str, start: int, length: int) -> bytes:
        """Return bytes of a recording."""

        def read(**request: Any) -> bytes:
            body: bytes = self._client.get_object(**request)["Body"].read()
            return body

        if length <= 0:
            return b""
        return self._ask(read, Key=self._key(name), Range=f"bytes={start}-{start + length - 1}")

    def days(self) -> list[str]:
        """Return the days of which there are recordings, the oldest first."""
        pages = self._pages(Delimiter="/", Prefix=self._prefix)
        prefixes = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", ())]
        return sorted(prefix.removeprefix(self._prefix).rstrip("/") for prefix in prefixes)

    def names(self, beginning: str = "") -> Iterator[str]:
        """Find the names that begin so, in order."""
        for page in self._pages(Prefix=self._prefix + beginning):
            for each in page.get("Contents", ()):
                yield each["Key"].removeprefix(self._prefix)

    def delete(self, names: Iterable[str]) -> None:
        """Delete recordings; one that is not there is no error."""
        for name in names:  # one by one: compatible stores differ in what they want of the request for many
            self._ask(self._client.delete_object, Key=self._key(name))

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _pages(self, **request: Any) -> Iterator[Any]:
        token: dict[str, str] = {}
        while True:
            page = self._ask(self._client.list_objects_v2, MaxKeys=self._at_once, **request, **token)
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _ask(self, ask: Callable[..., Value], **request: Any) -> Value:
        errors = import_module("botocore.exceptions")
        try:
            return ask(Bucket=self._bucket, **request)
        except errors.ClientError as problem:
            raise StoreFailed(_words(problem.response)) from None
        except (errors.BotoCoreError, errors.HTTPClientError, OSError) as problem:
            raise StoreFailed(type(problem).__name__) from None


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _words(response: Any) -> str:
    """Make words of an error's response: its code and status alone, for the rest may have a key's id in it."""
    code = str(response.get("Error", {}).get("Code", "unknown"))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return "it is not there" if code in _NOT_THERE else f"{code}, HTTP status {status}"


def _client(endpoint: str | None) -> Any:
    """Make boto3's client.

    Raises:
        StoreFailed: where the library is missing, or finds no region, in words.
    """
    try:
        boto3, configs = import_module("boto3"), import_module("botocore.config")
    except ModuleNotFoundError:
        raise StoreFailed(_NO_LIBRARY) from None
    config = configs.Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
        # Checksums of Amazon's newer kind are refused by compatible stores; the MD5 is compared by all.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if endpoint else {},
    )
    session = boto3.session.Session()
    region = session.region_name or "us-east-1"
    return session.client("s3", endpoint_url=endpoint, region_name=region, config=config)
