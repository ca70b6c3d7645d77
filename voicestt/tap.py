"""`twistd voicestt`: the command line and the environment to a service. The one place that knows the reactor."""

import gc
import os
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService
from twisted.internet.endpoints import serverFromString
from twisted.logger import ILogObserver, Logger
from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from voicestt.config.env_file import EnvironmentFile
from voicestt.config.misspelt import Misspelt, misspelt
from voicestt.config.settings import BadSettings, Reading, Settings, read_settings
from voicestt.runtime.clock import use_monotonic_time
from voicestt.runtime.log_output import log_observer, open_log
from voicestt.runtime.process_end import end_after, end_with_an_error
from voicestt.workers.command_line import interpreter_and_script, worker_command
from voicestt.workers.forked import in_a_fork
from voicestt.workers.sockets import in_worker
from voicestt.workers.start import BadWorkerStart, WorkerStart, taken_from

# What a supervisor of workers has no need of is imported where it is used: it stays small.
if TYPE_CHECKING:
    from voicestt.tracing.port import Tracing

_log = Logger()
_NO_SOCKET = "systemd has handed over no such socket; start the server by its .socket unit (docs/deploying.md)"
_OVERRULED = {"PORT": "port", "HANDLER": "handler", "WEB_CONCURRENCY": "workers"}


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
        ["workers", "w", None, "Start so many processes that share the work (default: WEB_CONCURRENCY, or 1)."],
    ]
    optFlags = [  # noqa: RUF012, N815 - Twisted's
        ["reload", None, "At SIGHUP, start new workers with new code and settings before the old ones stop."],
    ]

    longdesc = "Twilio's live calls to words, by Google Speech-to-Text."
    settings: Settings  # read by postOptions, without which twistd starts nothing

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._environ = environ
        self["listen"] = []
        self.misspelt: list[Misspelt] = []
        self.environment_file = EnvironmentFile(None, environ, {})
        self.worker: WorkerStart | None = None

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
        try:
            self.worker = taken_from(self._environ)
        except BadWorkerStart as bad:
            problems.append(str(bad))
        self.environment_file = self._find_environment_file()
        settings = self._read_settings(problems)
        problems.extend(self._endpoint_problems())
        if settings is None or problems:
            raise UsageError("it cannot start:\n" + "\n".join(f"  - {problem}" for problem in problems))
        self.settings = self._with_flag(settings)
        self._choose_log(settings)

    @property
    def supervises(self) -> bool:
        """True if this process is to start workers; False if it is the server, or a worker."""
        return self._supervises(self.settings)

    def _supervises(self, settings: Settings) -> bool:
        return self.worker is None and (settings.workers > 1 or bool(self["reload"]))

    def _with_flag(self, settings: Settings) -> Settings:
        """Return the settings with the flag as it was turned in the workers that there were."""
        if self.worker is None or self.worker.flag is None:
            return settings
        return replace(settings, enable_streaming_stt=self.worker.flag)

    def _endpoint_problems(self) -> list[str]:
        asked = [("--listen", each) for each in self["listen"]]
        asked += [("--metrics", self["metrics"])] if self["metrics"] else []
        if self.worker is not None:
            asked = [(option, in_worker(endpoint)) for option, endpoint in asked]
        return [problem for option, endpoint in asked if (problem := _problem_of(option, endpoint))]

    def _choose_log(self, settings: Settings) -> None:
        """Make twistd use our log observer, unless its own options ask for another or for syslog."""
        twistd = self.parent
        if twistd is not None and not twistd.get("logger") and not twistd.get("syslog"):
            _chosen.append((twistd, settings, self.worker.name if self.worker else None))
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
        if self._supervises(reading.settings):
            problems.extend(in_a_fork(partial(self._preflight, reading, may_import=True)))
        else:
            problems.extend(self._preflight(reading, may_import=not self._will_fork()))
        return None if problems else reading.settings

    def _preflight(self, reading: Reading, *, may_import: bool) -> list[str]:
        from voicestt.server.preflight import problems_of  # noqa: PLC0415 - see above
        from voicestt.tracing.switch import problem_of  # noqa: PLC0415 - see above

        of_tracing = problem_of(self._environ)
        return [*problems_of(reading, may_import=may_import), *([of_tracing] if of_tracing else [])]

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

    def tracing(self) -> "Tracing":
        """Make the tracing that the environment asks for."""
        from voicestt.tracing.switch import tracing_of  # noqa: PLC0415 - see above

        return tracing_of(_reactor(), self._environ)

    def endpoints(self, settings: Settings) -> list[str]:
        """Return the endpoints to listen on, as Twisted writes them."""
        endpoints: list[str] = list(self["listen"])
        if not endpoints or self["port"] is not None:
            endpoints.insert(0, f"tcp:{settings.port}")
        return endpoints

    def worker_options(self) -> list[str]:
        """Return the options of a worker of this supervisor's."""
        path = self["env-file"] or self._environ.get("VOICESTT_ENV_FILE")
        options = ["--workers", str(self.settings.workers)]
        options += ["--env-file", os.path.abspath(path)] if path else []
        options += ["--handler", self["handler"]] if self["handler"] else []
        options += ["--metrics", self["metrics"]] if self["metrics"] else []
        for endpoint in self.endpoints(self.settings):
            options += ["--listen", endpoint]
        return options


# twistd takes the name of a function that makes its observer, not the function.
_chosen: list[tuple[Mapping[str, Any], Settings, str | None]] = []
_log_files: list[Any] = []


def chosen_log() -> ILogObserver:
    """Make the log observer that the parsed options' settings ask for, on the output that twistd's options say."""
    twistd, settings, worker = _chosen.pop()
    reactor = _reactor()
    output, later = open_log(twistd, reactor), partial(reactor.callLater, 0)
    if output is not sys.stdout:
        _log_files.append(output)
    texts = settings.texts_are_logged
    return log_observer(output, settings.log_format, settings.log_level, later, texts=texts, worker=worker)


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
    if options.supervises:
        return _supervisor(options)
    return _server(options)


def _server(options: Options) -> IService:
    from voicestt.page.page import page_of  # noqa: PLC0415 - see above
    from voicestt.server.service import VoiceService  # noqa: PLC0415 - see above
    from voicestt.workers.link import WorkerLink  # noqa: PLC0415 - see above

    _freeze_what_stays()
    reactor, start = _reactor(), options.worker
    return VoiceService(
        reactor,
        options.settings,
        options.endpoints(options.settings),
        end_with_an_error,
        options.environment_file.read_again,
        end_after,
        options["metrics"] or None,
        options.tracing,
        partial(page_of, environment=options.environment_file.variables),
        None if start is None else WorkerLink(reactor, start),
    )


def _supervisor(options: Options) -> IService:
    from voicestt.server.control.socket import ControlSocket  # noqa: PLC0415 - see above
    from voicestt.workers.process import CommandLine  # noqa: PLC0415 - see above
    from voicestt.workers.supervisor import Supervisor, SupervisorOptions  # noqa: PLC0415 - see above

    reactor, settings, file = _reactor(), options.settings, options.environment_file
    command = worker_command(interpreter_and_script(), options.parent, options.worker_options())
    endpoints = options.endpoints(settings) + ([options["metrics"]] if options["metrics"] else [])
    return Supervisor(
        reactor,
        SupervisorOptions(
            settings=settings,
            endpoints=endpoints,
            line=lambda: CommandLine(command, os.environ, _log_files[-1].write if _log_files else None),
            reloads=bool(options["reload"]),
            read_again=file.read_again if file.has_path else None,
            control=partial(ControlSocket, reactor, settings.control_socket),
            failed=end_with_an_error,
        ),
    )


def _freeze_what_stays() -> None:
    """Keep the garbage collector from looking through the modules again, which holds up all calls for 0.1 s."""
    gc.collect()
    gc.freeze()
