"""`twistd voicestt`: the command line and the environment to a service. The one place that knows the reactor."""

import atexit
import gc
import os
import sys
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from twisted.application.service import IService
from twisted.internet.endpoints import serverFromString
from twisted.logger import ILogObserver, Logger
from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from voicestt.config.env_file import EnvironmentFile
from voicestt.config.misspelt import Misspelt, misspelt
from voicestt.config.settings import BadSettings, Settings, read_settings
from voicestt.page.page import page_of
from voicestt.runtime.clock import use_monotonic_time
from voicestt.runtime.log_output import log_observer, open_log
from voicestt.server.preflight import problems_of
from voicestt.server.service import VoiceService
from voicestt.tracing.port import Tracing
from voicestt.tracing.switch import problem_of as otel_problem
from voicestt.tracing.switch import tracing_of

_log = Logger()
_NO_SOCKET = "systemd has handed over no such socket; start the server by its .socket unit (docs/deploying.md)"
_OVERRULED = {"PORT": "port", "HANDLER": "handler"}


class Options(TwistedOptions):
    """The command line; everything else is set by the environment, see docs/settings.md."""

    optParameters = [  # noqa: RUF012, N815 - Twisted's
        ["port", "p", None, "Listen on this port on all interfaces (default: PORT, or 5000)."],
        ["env-file", None, None, "Read variables from this file; the environment wins over it."],
        ["handler", None, None, "The application's class, package.module:Name (default: HANDLER, or none)."],
        [
            "metrics",
            None,
            None,
            "Serve /metrics on this endpoint, e.g. tcp:9464:interface=127.0.0.1, to all there.",
        ],
    ]

    longdesc = "Twilio's live calls to words, by Google Speech-to-Text."
    settings: Settings  # read by postOptions, without which twistd starts nothing

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._environ = environ
        self["listen"] = []
        self.misspelt: list[Misspelt] = []
        self.environment_file = EnvironmentFile(None, environ, {})

    def opt_listen(self, endpoint: str) -> None:
        """Listen on this endpoint of Twisted's, e.g. tcp:8080:interface=127.0.0.1 or ssl:443:privateKey=…; may be
        given several times, and takes the place of the default."""
        self["listen"].append(endpoint)

    opt_l = opt_listen

    def postOptions(self) -> None:  # noqa: N802
        """Check everything there is to check before anything is started.

        Raises:
            UsageError: with every problem, one a line.
        """
        problems: list[str] = []
        self.environment_file = self._find_environment_file()
        settings = self._read_settings(problems)
        problems.extend(problem for endpoint in self["listen"] if (problem := _problem_of("--listen", endpoint)))
        if self["metrics"] and (problem := _problem_of("--metrics", self["metrics"])):
            problems.append(problem)
        if (problem := otel_problem(self._environ)) is not None:
            problems.append(problem)
        if settings is None or problems:
            raise UsageError("it cannot start:\n" + "\n".join(f"  - {problem}" for problem in problems))
        self.settings = settings
        self._choose_log(settings)

    def _choose_log(self, settings: Settings) -> None:
        """Make twistd use our log observer, unless its own options ask for another or for syslog."""
        twistd = self.parent
        if twistd is not None and not twistd.get("logger") and not twistd.get("syslog"):
            _chosen.append((twistd, settings))
            twistd["logger"] = f"{__name__}.{chosen_log.__name__}"

    def _read_settings(self, problems: list[str]) -> Settings | None:
        try:
            values = self.environment_file.variables()
        except BadSettings as bad:
            problems.extend(bad.problems)
            return None
        self.misspelt = misspelt(values)
        reading = read_settings(values)
        if reading.settings.handler is not None and os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())  # as `python -m` does, and twistd does not
        problems.extend(problems_of(reading, may_import=not self._will_fork()))
        return None if problems else reading.settings

    def _will_fork(self) -> bool:
        # What the application starts when it is imported would not live on in the daemon.
        twistd = self.parent
        return twistd is not None and not twistd.get("nodaemon")

    def _find_environment_file(self) -> EnvironmentFile:
        path = self["env-file"] or self._environ.get("VOICESTT_ENV_FILE")
        # A daemonising twistd changes its folder, and SIGHUP reads the file again.
        absolute = os.path.abspath(path) if path else None
        given = {name: self[option] for name, option in _OVERRULED.items() if self[option] is not None}
        return EnvironmentFile(absolute, self._environ, given)

    def tracing(self) -> Tracing:
        """Make the tracing that the environment asks for."""
        return tracing_of(_reactor(), self._environ)

    def endpoints(self, settings: Settings) -> list[str]:
        """Return the endpoints to listen on, as Twisted writes them."""
        endpoints: list[str] = list(self["listen"])
        if not endpoints or self["port"] is not None:
            endpoints.insert(0, f"tcp:{settings.port}")
        return endpoints


# twistd takes the name of a function that makes its observer, not the function.
_chosen: list[tuple[Mapping[str, Any], Settings]] = []


def chosen_log() -> ILogObserver:
    """Make the log observer that the parsed options' settings ask for, on the output that twistd's options say."""
    twistd, settings = _chosen.pop()
    reactor = _reactor()
    output, later = open_log(twistd, reactor), partial(reactor.callLater, 0)
    return log_observer(output, settings.log_format, settings.log_level, later, texts=settings.texts_are_logged)


def _problem_of(option: str, endpoint: str) -> str | None:
    try:
        serverFromString(_reactor(), endpoint)
    except LookupError:  # of Twisted's systemd endpoint, which says no more than the index or the name
        return f"{option} {endpoint}: {_NO_SOCKET}"
    except Exception as problem:  # noqa: BLE001 - each kind of endpoint has errors of its own
        return f"{option} {endpoint}: {problem}"
    return None


def _reactor() -> Any:
    from twisted.internet import reactor  # noqa: PLC0415, TID251 - importing it installs it

    use_monotonic_time(reactor)
    return reactor


def makeService(options: Options) -> IService:  # noqa: N802 - twistd calls it
    """Return the server, not yet started: no socket, no thread, no gRPC, because twistd may fork after this."""
    # A terminal that cannot show Hebrew must not lose a log line.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    for name in options.misspelt:
        _log.warn("⚠️ {misspelt} It has no effect.", misspelt=name)
    _freeze_what_stays()
    read_again = options.environment_file.read_again
    endpoints = options.endpoints(options.settings)
    return VoiceService(
        _reactor(),
        options.settings,
        endpoints,
        _end_with_an_error,
        read_again,
        _end_after,
        options["metrics"] or None,
        options.tracing,
        partial(page_of, environment=options.environment_file.variables),
    )


def _freeze_what_stays() -> None:
    """Keep the garbage collector from looking through the modules again, which holds up all calls for 0.1 s."""
    gc.collect()
    gc.freeze()


def _end_with_an_error() -> None:
    # twistd has no exit code for a service that could not start: this is the last thing that it does.
    atexit.register(_leave, 1)


def _end_after(seconds: float) -> None:
    # A thread that nobody can end, such as one that resolves a name, would keep the process from ending.
    timer = threading.Timer(seconds, _end_by_force)
    timer.daemon = True
    timer.start()


def _end_by_force() -> None:
    _log.error(
        "The server's stop took longer than SHUTDOWN_SECONDS, because something hangs: the process is ended by "
        "force. What is in the journal is delivered after the next start."
    )
    _leave(1)


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
