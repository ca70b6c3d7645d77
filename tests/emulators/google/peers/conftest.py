"""The sound that every client sends, the script of what is heard in it, and a google-local behind TLS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulators.google.peers.rig import SCRIPT, TELEPHONE, WIDEBAND, voice, write_account
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("clients")
    write_account(made)
    for rate in (TELEPHONE, WIDEBAND):
        (made / f"{rate}.raw").write_bytes(voice(rate))
    return made


@pytest.fixture(scope="module")
def google(folder: Path) -> Iterator[LocalGoogle]:
    with LocalGoogle(ScriptEngine(SCRIPT), tls=folder) as running:
        yield running
