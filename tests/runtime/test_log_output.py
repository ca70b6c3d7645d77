import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger, LogLevel, formatEventAsClassicLogText, formatTime
from twisted.python.failure import Failure
from zope.interface import implementer

from voicestt.runtime.log_output import format_json, format_text, log_observer, open_log

CALL = "CA00000000000000000000000000000001"
AT = 1_764_000_000.1234  # 2025-11-24T16:00:00.123Z


@implementer(IReactorFromThreads)
class AtOnce:
    """Does at once what a signal's handler asks for."""

    def callFromThread(  # noqa: N802
        self,
        callable: Callable[..., Any],  # noqa: A002 - Twisted's name
        *args: object,
        **kwargs: object,
    ) -> None:
        callable(*args, **kwargs)


def event(text: str = "Call started.", level: LogLevel = LogLevel.info, **more: Any) -> dict[str, Any]:
    return {
        "log_time": AT,
        "log_level": level,
        "log_format": "{words}",
        "words": text,
        "log_namespace": "voicestt.server.call_log",
        **more,
    }


def of_call(text: str = "Call started.", level: LogLevel = LogLevel.info, **more: Any) -> dict[str, Any]:
    return event(text, level, log_system=CALL, **more)


def after_time(line: str | None) -> str:
    assert line is not None
    return line.split(" ", 1)[1]


def test_a_line_of_a_call_is_as_twistd_writes_it() -> None:
    assert after_time(format_text(of_call())) == f"[{CALL}] Call started.\n"


@pytest.mark.parametrize("level", [LogLevel.warn, LogLevel.error, LogLevel.critical])
def test_a_line_of_a_call_that_is_worse_has_its_level(level: LogLevel) -> None:
    assert after_time(format_text(of_call(level=level))) == f"[{CALL}#{level.name}] Call started.\n"


def test_a_line_of_no_call_has_its_source_and_level() -> None:
    assert after_time(format_text(event())) == "[voicestt.server.call_log#info] Call started.\n"


def test_a_line_of_another_package_is_left_as_it_is() -> None:
    theirs = of_call(level=LogLevel.warn, log_namespace="twisted.web")
    assert after_time(format_text(theirs)) == f"[{CALL}] Call started.\n"


class Unprintable:
    def __format__(self, spec: str) -> str:
        raise ValueError(spec)


TEMPLATES = [
    "🟡 Partial{by}: {said}", "{seconds:.1f} s", "{said!r:>30}", "{said}{{}}", "no field", "", "{missing}", "{}",
    "{0}", "{said.real}", "{by[0]}", "{by()}", "{seconds:{said}}", "{", "{said!x}", "{seconds:x}", None, 7,
    b"{said}",
]  # fmt: skip


@given(st.sampled_from(TEMPLATES), st.text() | st.integers() | st.none() | st.builds(Unprintable), st.floats())
def test_the_quick_way_formats_as_twisted_does(template: Any, said: object, seconds: float) -> None:
    given_event = of_call(said=said, seconds=seconds, by=lambda: "them") | {"log_format": template}
    theirs = formatEventAsClassicLogText(given_event, lambda when: formatTime(int(when or 0)))
    assert format_text(given_event) == theirs


def test_json_has_the_fields_that_alerts_are_made_of() -> None:
    line = format_json(of_call("🟢 Final: שלום", session="s1", event="final"))
    assert line is not None
    assert "שלום" in line
    assert json.loads(line) == {
        "time": "2025-11-24T16:00:00.123+00:00",
        "level": "info",
        "call": CALL,
        "session": "s1",
        "event": "final",
        "text": "🟢 Final: שלום",
        "source": "voicestt.server.call_log",
    }


def test_json_of_no_call_has_nulls() -> None:
    line = json.loads(format_json(event()) or "")
    assert (line["call"], line["session"], line["event"]) == (None, None, None)


def test_a_failure_has_its_traceback_in_one_line() -> None:
    output = io.StringIO()
    observer = log_observer(output, "json", "info")
    log = Logger(namespace="voicestt.server.calls", observer=observer)
    log.failure("It failed", Failure(ValueError("no such thing")), log_system=CALL)
    (text,) = output.getvalue().splitlines()
    line = json.loads(text)
    assert (line["level"], line["call"], line["text"]) == ("critical", CALL, "It failed")
    assert line["traceback"].endswith("builtins.ValueError: no such thing")


@given(st.text(), st.sampled_from(list(LogLevel.iterconstants())))
def test_any_text_is_one_line_of_json(text: str, level: LogLevel) -> None:
    line = format_json(of_call(text, level))
    if line is None:
        assert not text
        return
    assert line.count("\n") == 1
    assert json.loads(line)["text"] == text
    assert json.loads(line)["level"] == level.name


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_below_the_level_is_left_out(form: str) -> None:
    output = io.StringIO()
    observer = log_observer(output, form, "warn")
    for level in LogLevel.iterconstants():
        observer(of_call(f"at {level.name}", level))
    lines = output.getvalue().splitlines()
    assert [
        next(each.name for each in LogLevel.iterconstants() if f"at {each.name}" in line) for line in lines
    ] == [
        "warn",
        "error",
        "critical",
    ]


def test_the_output_is_stdout_where_nothing_else_is_named() -> None:
    assert open_log({"nodaemon": 1}, AtOnce()) is sys.stdout
    assert open_log({"nodaemon": 1, "logfile": "-"}, AtOnce()) is sys.stdout


def test_a_daemon_cannot_log_to_stdout() -> None:
    with pytest.raises(SystemExit, match="--logfile FILE"):
        open_log({"nodaemon": 0, "logfile": "-"}, AtOnce())


@pytest.fixture
def no_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("no_handler")
def test_a_file_is_rotated_at_sigusr1(tmp_path: Path) -> None:
    file = tmp_path / "voicestt.log"
    output = open_log({"nodaemon": 0, "logfile": str(file)}, AtOnce())
    log_observer(output, "text", "info")(of_call("before"))
    os.kill(os.getpid(), signal.SIGUSR1)
    log_observer(output, "text", "info")(of_call("after"))
    output.close()
    (rotated,) = [each for each in tmp_path.iterdir() if each != file]
    assert ("before" in rotated.read_text(), "after" in file.read_text()) == (True, True)


@pytest.mark.parametrize("form", ["text", "json"])
def test_without_texts_an_exception_has_its_type_and_place_but_not_what_a_caller_said(form: str) -> None:
    output, said = io.StringIO(), "שלום"
    try:
        int(said)
    except ValueError:
        failed = of_call("The handler failed.", LogLevel.critical, log_failure=Failure())
    log_observer(output, form, "info", texts=False)(failed)
    written = output.getvalue()
    assert said not in written
    for words in ("The handler failed.", "test_log_output.py", "ValueError: (LOG_TEXTS=false"):
        assert words in written
    log_observer(output, form, "info")(failed)
    assert said in output.getvalue()


def test_lines_of_partials_wait_for_each_other_and_for_no_other_line() -> None:
    output, later = io.StringIO(), list[Callable[[], object]]()
    observer = log_observer(output, "text", "info", later.append)
    observer(of_call("one", event="partial"))
    observer(of_call("two", event="partial"))
    assert (output.getvalue(), len(later)) == ("", 1)
    observer(of_call("three", event="final"))
    assert [line.rsplit(" ", 1)[1] for line in output.getvalue().splitlines()] == ["one", "two", "three"]
    later.pop()()
    observer(of_call("four", event="partial"))
    later.pop()()
    assert output.getvalue().count("\n") == 4


def test_the_time_of_a_line_is_its_own_second() -> None:
    lines = [format_text(event() | {"log_time": AT + seconds}) or "" for seconds in (0, 0.5, 1, 61)]
    times = [line.split(" ", 1)[0] for line in lines]
    assert times == [formatTime(AT + seconds) for seconds in (0, 0.5, 1, 61)]
    assert len(set(times)) == 3


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_workers_lines_have_its_name_and_are_otherwise_the_same(form: str) -> None:
    alone, worker = io.StringIO(), io.StringIO()
    log_observer(alone, form, "info")(of_call())
    log_observer(worker, form, "info", worker="2")(of_call())
    log_observer(worker, form, "info", worker="2")(event(text=""))
    if form == "json":
        assert json.loads(worker.getvalue()) == {"worker": "2", **json.loads(alone.getvalue())}
    else:
        time_of, rest = alone.getvalue().split(" ", 1)
        assert worker.getvalue() == f"{time_of} worker 2 {rest}"
