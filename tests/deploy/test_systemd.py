"""The systemd units: looked at by Debian's systemd-analyze, and the socket really handed over as systemd does."""

import http.client
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.python.usage import UsageError

from tests.end_to_end.rig import PATIENCE, reserved, running, until
from voicestt.config.settings import Settings
from voicestt.ops.services import Services, beside_python
from voicestt.tap import Options

SHIPPED = Path(__file__).parents[2] / "deploy" / "systemd"
THRESHOLD = 20
"""Of 100; the 14 that are left are the network, and that cffi makes functions while it runs."""


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as an administrator installs them, but for the folder of the environment."""
    for name in ("voicestt@.service", "voicestt@.socket"):
        text = (SHIPPED / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/voicestt/bin", str(Path(beside_python("x")).parent)))
    return tmp_path


def analysed(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["systemd-analyze", *arguments],
        cwd=folder,
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def add_socket_activation(folder: Path) -> None:
    drop_in = folder / "voicestt@.service.d"
    drop_in.mkdir()
    text = (SHIPPED / "socket-activation.conf").read_text()
    (drop_in / "socket-activation.conf").write_text(
        text.replace("/opt/voicestt/bin", str(Path(beside_python("x")).parent))
    )


def test_systemd_finds_nothing_wrong_with_the_unit(units: Path) -> None:
    assert analysed(units, "verify", "--man=no", str(units / "voicestt@5000.service")) == ""


def test_systemd_finds_nothing_wrong_with_the_unit_and_its_socket(units: Path) -> None:
    add_socket_activation(units)
    both = [str(units / f"voicestt@5000.{kind}") for kind in ("service", "socket")]
    assert analysed(units, "verify", "--man=no", *both) == ""


def test_the_unit_is_hardened(units: Path) -> None:
    threshold = f"--threshold={THRESHOLD}"
    told = analysed(units, "security", "--offline=true", threshold, str(units / "voicestt@.service"))
    assert "Overall exposure level" in told


def test_the_unit_waits_longer_than_the_server_drains() -> None:
    lines = dict(
        line.split("=", 1)
        for line in (SHIPPED / "voicestt@.service").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    drained = Settings.from_environment({"PUBLIC_HOST": "a.example", "TWILIO_AUTH_TOKEN": "x"}).shutdown_seconds
    assert float(lines["TimeoutStopSec"]) >= drained + 10
    assert lines["KillMode"] == "mixed"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = Services(tmp_path)
    with reserved(made.server_port):
        yield made


def test_a_request_waits_for_a_server_that_systemd_starts_for_it(services: Services, tmp_path: Path) -> None:
    """systemd opens the port; nobody listens before the first request, and it is answered all the same."""
    (start,) = [
        line.removeprefix("ExecStart=/opt/voicestt/bin/")
        for line in (SHIPPED / "socket-activation.conf").read_text().splitlines()
        if line.startswith("ExecStart=/")
    ]
    program, *arguments = start.split()
    environment = services.server_environment()
    passed = [f"--setenv={name}" for name in environment]  # systemd-socket-activate hands on nothing else
    command = [
        "systemd-socket-activate",
        f"--listen=127.0.0.1:{services.server_port}",
        "--fdname=voicestt",
        *passed,
        beside_python(program),
        *arguments,
    ]
    log = tmp_path / "activated.log"
    with running(command, environment, tmp_path, log) as process:
        until(lambda: process.poll() is not None or b"Listening on" in log.read_bytes(), "systemd listens")
        assert b"[CFG]" not in log.read_bytes()
        connection = http.client.HTTPConnection("127.0.0.1", services.server_port, timeout=PATIENCE)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
        assert b"Listening on systemd:domain=INET:name=voicestt" in log.read_bytes()
        process.terminate()
        process.wait(PATIENCE)


def test_a_server_that_was_given_no_socket_says_so_and_does_not_start() -> None:
    google = {"GCP_STT_ENDPOINT": "127.0.0.1:1", "GCP_STT_INSECURE": "true"}
    options = Options({"PUBLIC_HOST": "a.example", "TWILIO_AUTH_TOKEN": "x", **google})
    said = "--listen systemd:domain=INET:name=voicestt: systemd has handed over no such socket"
    with pytest.raises(UsageError, match=said):
        options.parseOptions(["--listen", "systemd:domain=INET:name=voicestt"])  # type: ignore[no-untyped-call]
