"""Writes the log as text or as JSON: a Twisted log observer, and the place that twistd's options name for it.

In both forms a line that is about a call has its CallSid: our own log statements give it as `log_system`.
"""

import json
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from string import Formatter
from threading import Lock
from typing import Any, TextIO

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    eventAsText,
    formatEvent,
    formatEventAsClassicLogText,
    formatTime,
)
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile
from zope.interface import implementer

_OURS = "voicestt"
_STDOUT = "-"
_NO_WORDS = "(LOG_TEXTS=false leaves out what it says)"
_WORSE = frozenset(each for each in LogLevel.iterconstants() if each > LogLevel.info)
_HANDLED_BY_TWISTED = frozenset({"log_failure", "log_flattened"})
_DEFAULT_FILE = "twistd.log"  # twistd's own, where it daemonises and no file is named


def format_text(event: LogEvent) -> str | None:
    """Format an event as twistd does; a line of a call that is worse than information has its level as well.

    `[CA…] Call started` and `[CA…#warn] The stream failed`; lines of no call have theirs anyway:
    `[voicestt.server.service#info]`.
    """
    call = _call_of(event)
    if call is None:
        return formatEventAsClassicLogText(event, _time_of)
    level: Any = event.get("log_level")
    system = f"{call}#{level.name}" if level in _WORSE else call
    text = _plain_text(event)
    if text is None:
        return formatEventAsClassicLogText(event | {"log_system": system}, _time_of)
    indented = text.replace("\n", "\n\t")
    return f"{_time_of(event.get('log_time'))} [{system}] {indented}\n" if text else None


def _plain_text(event: LogEvent) -> str | None:
    """Format an event whose fields are plain names, as Twisted would, in a twentieth of the time; None for others.

    Twisted's own formatter, in Python, is half of what a partial's way through the reactor costs.
    """
    template = event.get("log_format")
    if (
        not isinstance(template, str)
        or not _HANDLED_BY_TWISTED.isdisjoint(event)
        or not _has_plain_fields(template)
    ):
        return None
    try:
        return template.format_map(event)
    except Exception:  # noqa: BLE001 - Twisted says in the log what cannot be formatted, and why
        return None


@lru_cache(maxsize=1_024)
def _has_plain_fields(template: str) -> bool:
    """Return True if all fields are plain names, such as `{why}` and `{seconds:.1f}`, but not `{name()}`."""
    try:
        fields = list(Formatter().parse(template))
    except ValueError:
        return False
    return all(name is None or (name.isidentifier() and "{" not in (spec or "")) for _, name, spec, _ in fields)


def _time_of(when: float | None) -> str:
    return formatTime(when) if when is None else _time_of_second(int(when))


@lru_cache(maxsize=1)
def _time_of_second(second: int) -> str:
    return formatTime(second)


def format_json(event: LogEvent) -> str | None:
    """Format an event as one JSON object in one line: time, level, call, session, event, text, source.

    `time` is UTC in ISO 8601; `call`, `session` and `event` are null where the line is about no call; a failure
    has its `traceback` besides.
    """
    text = formatEvent(event) if (plain := _plain_text(event)) is None else plain
    if not text and "log_failure" not in event:
        return None
    line = {
        "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds"),
        "level": event["log_level"].name if event.get("log_level") is not None else "info",
        "call": _call_of(event),
        "session": event.get("session"),
        "event": event.get("event"),
        "text": text,
        "source": event.get("log_namespace"),
    }
    if "log_failure" in event:
        line["traceback"] = (
            eventAsText(event, includeTimestamp=False, includeSystem=False).removeprefix(text).strip()
        )
    return json.dumps(line, ensure_ascii=False, default=str) + "\n"


_FORMATTERS: Mapping[str, Callable[[LogEvent], str | None]] = {"text": format_text, "json": format_json}


class _WordlessFailure:
    """A failure as formatters see it, without the exception's own words: an application's may repeat a caller."""

    def __init__(self, failure: Failure) -> None:
        self._failure = failure

    def getTraceback(self, **_options: object) -> str:  # noqa: N802 - Twisted's
        """Format where it was raised, and its type."""
        lines = traceback.format_tb(self._failure.getTracebackObject())
        kind = getattr(self._failure.type, "__qualname__", "an error")
        return "".join(["Traceback (most recent call last):\n", *lines, f"{kind}: {_NO_WORDS}"])


def _wordless(format_event: Callable[[LogEvent], str | None]) -> Callable[[LogEvent], str | None]:
    """Make a formatter that leaves out what exceptions say."""

    def formatted(event: LogEvent) -> str | None:
        failure = event.get("log_failure")
        return format_event(event | {"log_failure": _WordlessFailure(failure)} if failure else event)

    return formatted


def _named(
    format_event: Callable[[LogEvent], str | None], worker: str, *, is_json: bool
) -> Callable[[LogEvent], str | None]:
    """Make a formatter whose lines have the worker's name."""

    def formatted(event: LogEvent) -> str | None:
        text = format_event(event)
        if not text:
            return text
        if is_json:
            return f'{{"worker": {json.dumps(worker)}, {text[1:]}'
        time_of, _, rest = text.partition(" ")
        return f"{time_of} worker {worker} {rest}"

    return formatted


Later = Callable[[Callable[[], object]], object]


def _at_once(action: Callable[[], object]) -> None:
    action()


def log_observer(
    output: TextIO,
    form: str,
    level: str,
    later: Later = _at_once,
    *,
    texts: bool = True,
    worker: str | None = None,
) -> ILogObserver:
    """Make an observer that writes what is at least of this level to `output`.

    Lines of partials, which are most, wait for each other: `later` is given what writes them, at the end of the
    reactor's turn. All others are written at once, behind those that wait. Without `texts` exceptions have their
    type and place, but not their words: a handler's `int(final.text)` fails with what the caller said. The lines
    of a `worker` have its name, behind the time or as the field `worker`.
    """
    least = LogLevel.levelWithName(level)
    levels = frozenset(each for each in LogLevel.iterconstants() if each >= least)
    formatter = _FORMATTERS[form] if texts else _wordless(_FORMATTERS[form])
    if worker is not None:
        formatter = _named(formatter, worker, is_json=form == "json")
    return _LogWriter(output, formatter, levels, later)


@implementer(ILogObserver)
class _LogWriter:
    """Observer that formats events of some `levels` and writes them to `output`, from any thread."""

    def __init__(
        self,
        output: TextIO,
        format_event: Callable[[LogEvent], str | None],
        levels: Collection[object],
        later: Later,
    ) -> None:
        self._output = output
        self._format = format_event
        self._levels = levels
        self._later = later
        self._waiting: list[str] = []
        self._lock = Lock()

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_level") not in self._levels:
            return
        text = self._format(event)
        if text and event.get("event") == "partial":
            self._write_later(text)
        elif text:
            self._write(text)

    def _write_later(self, text: str) -> None:
        with self._lock:
            self._waiting.append(text)
            is_first = len(self._waiting) == 1
        if is_first:
            self._later(self._write)

    def _write(self, text: str = "") -> None:
        with self._lock:
            self._waiting.append(text)
            self._output.write("".join(self._waiting))
            self._waiting.clear()
            self._output.flush()


def open_log(options: Mapping[str, Any], reactor: IReactorFromThreads) -> TextIO:
    """Open the output that twistd's options name: stdout, or a file, which SIGUSR1 rotates as twistd's own.

    Raises:
        SystemExit: when a daemon is to write to stdout.
    """
    name = options.get("logfile") or ""
    is_daemon = not options.get("nodaemon")
    if name == _STDOUT and is_daemon:
        raise SystemExit("Daemons cannot log to stdout: give --logfile FILE, or --nodaemon.")
    if name == _STDOUT or (not name and not is_daemon):
        return sys.stdout
    file: Any = LogFile.fromFullPath(name or _DEFAULT_FILE)
    if not signal.getsignal(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(file.rotate))
    return file  # type: ignore[no-any-return]


def _call_of(event: LogEvent) -> str | None:
    """Return the CallSid of a line of ours; other packages' systems are no calls."""
    system = event.get("log_system")
    is_ours = str(event.get("log_namespace", "")).startswith(_OURS)
    return system if is_ours and isinstance(system, str) else None
