import subprocess
import sys

import pytest

PROGRAM = """
import os, signal
from twisted.internet.task import deferLater
from voicestt.emulators.twilio.running import run_with_reactor

async def main(reactor):
    await deferLater(reactor, 0)
    {body}

print("got", run_with_reactor(main))
"""


def run(body: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(body=body)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_what_the_coroutine_returns_comes_back() -> None:
    assert run("return 42").stdout == "got 42\n"


@pytest.mark.parametrize(
    ("body", "last"),
    [
        ("raise ValueError('as it was')", "ValueError: as it was"),
        ("os.kill(os.getpid(), signal.SIGTERM); await deferLater(reactor, 60)", "KeyboardInterrupt"),
    ],
)
def test_errors_and_signals_come_out_as_exceptions(body: str, last: str) -> None:
    ended = run(body)
    assert ended.returncode != 0
    assert ended.stderr.splitlines()[-1] == last
