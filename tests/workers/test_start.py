import os
import sys

import pytest

from voicestt.workers.command_line import interpreter_and_script, worker_command
from voicestt.workers.forked import in_a_fork
from voicestt.workers.start import VARIABLE, BadWorkerStart, SharedSocket, WorkerStart, taken_from, written

START = WorkerStart("2", 4, 3, 5, [[SharedSocket(6, 2)], []], flag=False)


def test_a_start_is_taken_out_of_the_environment() -> None:
    environ = {VARIABLE: written(START), "PORT": "5000"}
    assert taken_from(environ) == START
    assert environ == {"PORT": "5000"}
    assert taken_from(environ) is None
    assert START.cell == 2


@pytest.mark.parametrize("text", ["", "2", "{}", '{"name": 5}'])
def test_what_no_supervisor_wrote_is_said_to_be_so(text: str) -> None:
    with pytest.raises(BadWorkerStart, match="set by a supervisor only"):
        taken_from({VARIABLE: text})


def test_a_worker_is_started_as_the_supervisor_was_but_in_the_foreground() -> None:
    twistd = {"reactor": "epoll", "logfile": "/var/log/x", "nodaemon": 0, "pidfile": "x.pid"}
    assert worker_command(["python", "/bin/twistd"], twistd, ["--workers", "2"]) == (
        ["python", "/bin/twistd", "--nodaemon", "--pidfile=", "--reactor", "epoll", "voicestt", "--workers", "2"]
    )
    assert worker_command(["twistd"], {"syslog": 1, "prefix": "calls"}, []) == (
        ["twistd", "--nodaemon", "--pidfile=", "--syslog", "--prefix", "calls", "voicestt"]
    )


def test_the_interpreters_own_options_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bin/twistd", "-n", "voicestt"])
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-P", "bin/twistd", "-n", "voicestt"])
    assert interpreter_and_script() == [sys.executable, "-P", os.path.abspath("bin/twistd")]
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-P", "-m", "a.module", "-n", "voicestt"])
    assert interpreter_and_script() == [sys.executable, "-P", "-m", "a.module"]


def test_what_a_fork_finds_comes_back_and_what_it_loads_does_not() -> None:
    assert in_a_fork(lambda: [f"{os.getpid() != here}"]) == ["True"]


def test_a_fork_that_fails_is_a_problem(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> list[str]:
        os._exit(1)

    assert "could not be checked" in in_a_fork(fail)[0]


here = os.getpid()
