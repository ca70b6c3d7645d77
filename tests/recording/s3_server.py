"""A server that speaks S3, of a test's own: moto's, in a process of its own on a free port of 127.0.0.1."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

import boto3

from voicestt.ops.services import free_port

KEYS = {
    "AWS_ACCESS_KEY_ID": "of-a-test",
    "AWS_SECRET_ACCESS_KEY": "of-a-test-too",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
BUCKET = "recordings-of-a-test"
PATIENCE = 60.0


class S3Server:
    """The server on `port`; it can be ended, and started again without what it had."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = "from moto.server import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, "-H", "127.0.0.1", "-p", str(self.port)],
            env={**os.environ, **KEYS},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()
        self.client.create_bucket(Bucket=BUCKET)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    @cached_property
    def client(self) -> Any:
        """A client of the tests' own."""
        return boto3.client("s3", endpoint_url=self.url)

    def names(self) -> list[str]:
        """The names in the bucket."""
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]

    def _wait(self) -> None:
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            with suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
                connection.request("GET", "/moto-api/data.json")
                connection.getresponse().read()
                connection.close()
                return
            time.sleep(0.05)
        raise AssertionError("moto's server does not answer")


@contextmanager
def s3_server() -> Iterator[S3Server]:
    server = S3Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()
