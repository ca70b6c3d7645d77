"""Writes the log as text or as JSON: a Twisted log observer, and the place that twistd's options name for it.

In both forms a line that is about a call has its CallSid: our own log statements give it as `log_system`.
"""

import json
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    formatEvent,
    formatEventAsClassicLogText,
)
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile

_OURS = "voicestt"
_STDOUT = "-"
_NO_WORDS = "(LOG_TEXTS=false leaves out what it says)"
_DEFAULT_FILE = "twistd.log"  # twistd's own, where it daemonises and no file is named


def format_text(event: LogEvent) -> str | None:
    """Format an event as twistd does; a line of a call that is worse than information has its level as well.

    `[CA…] Call started` and `[CA…#warn] The stream failed`; lines of no call have theirs anyway:
    `[voicestt.server.service#info]`.
    """
    level = event.get("log_level")
    if _call_of(event) is not None and level is not None and level > LogLevel.info:
        event = event | {"log_system": f"{event['log_system']}#{level.name}"}
    return formatEventAsClassicLogText(event)


def format_json(event: LogEvent) -> str | None:
    """Format an event as one JSON object in one line: time, level, call, session, event, text, source.

    `time` is UTC in ISO 8601; `call`, `session` and `event` are null where the line is about no call; a failure
    has its `traceback` besides.
    """
    text = formatEvent(event)
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


def log_observer(output: TextIO, form: str, level: str, *, texts: bool = True) -> ILogObserver:
    """Make an observer that writes what is at least of this level to `output`.

    Without `texts` exceptions have their type and place, but not their words: a handler's `int(final.text)` fails
    with what the caller said.
    """
    writes = FileLogObserver(output, _FORMATTERS[form] if texts else _wordless(_FORMATTERS[form]))
    least = LogLevelFilterPredicate(LogLevel.levelWithName(level))
    return FilteringLogObserver(writes, [least])


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
