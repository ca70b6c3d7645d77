import io
import threading
from pathlib import Path

import pytest
from twisted.logger import Logger, textFileLogObserver

import voicestt
from voicestt.ops.gonogo.server_log import handler_failures, own_failures
from voicestt.ops.gonogo.started import _PREFIX
from voicestt.twilio.rest import TwilioRefused


def fail_with(problem: Exception) -> None:
    raise problem


def messages(words: str, problem: Exception) -> list[str]:
    """A failure's lines as a server's log has them, between two others."""
    written = io.StringIO()
    log = Logger("x", observer=textFileLogObserver(written))
    log.info("before it", log_system="CA1")
    try:
        fail_with(problem)
    except Exception:  # noqa: BLE001 - any kind
        log.failure(words, log_system="CA1")
    log.info("after it", log_system="CA1")
    lines = written.getvalue().splitlines()
    return [found["message"] if (found := _PREFIX.match(line)) else line for line in lines]


def test_a_handlers_mistake_is_told_from_the_servers() -> None:
    handlers = messages("The handler failed in on_final; the call goes on.", ValueError("two\nlines"))
    ours = messages("Something of ours failed", ZeroDivisionError("oh"))
    (stumble,) = handler_failures([*handlers, *ours])
    assert stumble.words == "The handler failed in on_final; the call goes on."
    assert stumble.problem == "builtins.ValueError: two"
    (own,) = own_failures([*handlers, *ours])
    assert (own.words, own.problem) == ("Something of ours failed", "builtins.ZeroDivisionError: oh")


def test_a_refusal_by_twilio_is_not_the_handler_s_mistake() -> None:
    (refused,) = handler_failures(messages("The handler failed in on_final", TwilioRefused("not reached")))
    (other,) = handler_failures(messages("The handler failed in on_final", ValueError("TwilioRefused")))
    assert (refused.asked_twilio, other.asked_twilio) == (True, False)


def test_a_log_without_a_traceback_has_none() -> None:
    assert own_failures(["The handler of each call is a Hello", "📞 WebSocket connected"]) == []


def test_a_log_that_breaks_off_is_read_as_far_as_it_goes() -> None:
    (bare,) = own_failures(["\tTraceback (most recent call last):"])
    assert (bare.words, bare.problem) == ("", "")


def raw(*files: str) -> list[str]:
    """A traceback as Python writes it, through these files."""
    frames = [line for file in files for line in (f'  File "{file}", line 3, in f', "    f()")]
    return ["an application's words", "Traceback (most recent call last):", *frames, "ValueError: oh", "more"]


def test_a_traceback_that_an_application_writes_itself_is_not_ours() -> None:
    ours, python = str(Path(voicestt.__file__).parent / "line.py"), threading.__file__
    installed = pytest.__file__
    assert own_failures(raw("/home/shop/calls.py", ours)) == []
    assert own_failures(raw(python, installed, ours)) == []
    (thread,) = own_failures(raw(python, ours, installed))
    assert (thread.problem, thread.file) == ("ValueError: oh", ours)
    assert handler_failures(raw("/home/shop/calls.py", ours)) == []
