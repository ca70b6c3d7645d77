"""Runs other people's clients of Google's as programs of their own, unchanged, against google-local.

A client is told nothing but what it would be told for Google: an account's key, made up here, and where gRPC's
proxy and roots are (`tls_front.py`). It gets its jobs as JSON in its argument, and prints a line for each thing
heard: [name of the job, kind, text]. `.ci/peers` makes the environments of those that are not our own.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from voicestt.emulators.google.script import Script, Utterance
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.google.tls_certificate import CERTIFICATE_FILE

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[3] / ".venv-peers"
PATIENCE = 100.0

TELEPHONE, WIDEBAND = 8_000, 16_000
SAID = ["I would like two loaves of bread", "and a cake"]
HEBREW = ["אני רוצה שתי כיכרות לחם", "ועוגה"]
SECONDS = 5.2
SCRIPT = Script(
    (
        Utterance(SAID[0], 0.5, 2.5, texts={"he": HEBREW[0]}),
        Utterance(SAID[1], 3.2, 4.2, texts={"he": HEBREW[1]}),
    ),
    repeat=SECONDS,
)
TIMES = [f"{each.start:.1f} {each.end:.1f}" for each in SCRIPT.utterances]
TWO_SPURTS = ["speech begins", "speech ends"] * 2
FIVE_MINUTES = 300.0


def voice(rate: int) -> bytes:
    """LINEAR16 that is loud where the script has words."""
    time = np.arange(round(SECONDS * rate)) / rate
    spoken = np.any([(each.start <= time) & (time < each.end) for each in SCRIPT.utterances], axis=0)
    sound: np.ndarray[Any, Any] = 8_000 * np.sin(2 * np.pi * 220 * time) * spoken
    return sound.astype("<i2").tobytes()


def grows(partials: list[str]) -> bool:
    """Tell whether each partial is part of what is said, and the last one its end."""
    return all(any(partial in text for text in SAID) for partial in partials) and SAID[-1].endswith(partials[-1])


@dataclass(frozen=True)
class Job:
    """One stream, or one recording, and what the client is asked for with it.

    A recording that `is_long` is asked for as an operation. A model that `global` has not is asked for in another
    `location`, at the endpoint there. The audio is said once for each of `rounds`, when so many finals (of Pipecat
    errors too) of the one before have come; in between the client's clock is set forward by `leap` seconds.
    """

    name: str
    rate: int = 8_000
    version: str = "v1"
    stream: bool = True
    is_long: bool = False
    location: str = "global"
    rounds: tuple[int, ...] = (2,)
    leap: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)
    streaming: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Client:
    """A client as a program; `command` runs it, and `needs` is there where it is installed."""

    name: str
    command: tuple[str, ...]
    needs: Path

    def do(self, google: LocalGoogle, folder: Path, jobs: Sequence[Job]) -> "Heard":
        """Do the jobs, one after the other, with the recordings `RATE.raw` in `folder`.

        The test is skipped where the client is not installed.
        """
        if not self.needs.exists():
            pytest.skip(f"{self.name} is not installed: `bash .ci/peers` installs it, and runs these tests")
        asked = [asdict(job) | {"audio": str(folder / f"{job.rate}.raw")} for job in jobs]
        command = [*self.command, json.dumps(asked)]
        ran = subprocess.run(
            command,
            env=_environment(google, folder),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return Heard(ran.stdout)


class Heard:
    """The words and events that a client heard, by job and kind."""

    def __init__(self, printed: str) -> None:
        self._lines: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for line in printed.splitlines():
            job, kind, text = json.loads(line)
            self._lines[job].append((kind, text))

    def texts(self, job: str, kind: str = "final", errors: int = 0) -> list[str]:
        """The texts of one kind, without the spaces around them; so many errors are to be there, and no more."""
        lines = self._lines[job]
        wrong = [text for each, text in lines if each == "error"]
        assert len(wrong) == errors, wrong
        return [text.strip() for each, text in lines if each == kind]

    def order(self, job: str, *kinds: str) -> list[str]:
        """The kinds of what was heard, in order, of those that are named."""
        return [kind for kind, _ in self._lines[job] if kind in kinds]


def wait_for_streams(google: LocalGoogle, model: str, count: int) -> None:
    """Wait until so many streams that asked for a model have ended, or raise TimeoutError."""
    google.wait(lambda: [each.model for each in google.streams].count(model) >= count)


def google_that_fails(folder: Path) -> LocalGoogle:
    """A google-local that ends the first stream as Google ends one of five minutes, when all is said."""
    return LocalGoogle(
        ScriptEngine(SCRIPT), tls=folder, faults=f"stream 1: error ABORTED after {SECONDS - 0.1} s of audio"
    )


def of_environment(name: str) -> Client:
    """A Python client that has an environment of its own, and a program here."""
    python = ENVIRONMENTS / name / "bin" / "python"
    return Client(name, (str(python), "-W", "ignore", str(HERE / f"{name}_client.py")), python)


PYTHON = Client("python", (sys.executable, "-P", str(HERE / "python_client.py")), Path(sys.executable))
NODE = Client("node", ("node", str(HERE / "node" / "client.mjs")), HERE / "node" / "node_modules")
PIPECAT = of_environment("pipecat")
LIVEKIT = of_environment("livekit")


def _environment(google: LocalGoogle, folder: Path) -> dict[str, str]:
    """This process's environment as somebody has it who sends a client of Google's to google-local."""
    others = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return others | {
        "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "account.json"),
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(folder / CERTIFICATE_FILE),
        "grpc_proxy": f"http://{google.target}",
        "NO_GCE_CHECK": "true",
    }


def write_account(folder: Path) -> None:
    """Write the key of a service account that Google has never seen; the clients sign with it themselves."""
    key = rsa.generate_private_key(65_537, 2_048)
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    account = {
        "type": "service_account",
        "project_id": "a-project",
        "private_key_id": "1",
        "private_key": key.private_bytes(pem, pkcs8, serialization.NoEncryption()).decode(),
        "client_email": "nobody@a-project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    (folder / "account.json").write_text(json.dumps(account))
