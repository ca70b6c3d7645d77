"""A real PostgreSQL of the tests' own: a private cluster, started when the first test asks for it.

It listens on 127.0.0.1 and on a Unix socket in its temporary folder, takes anybody who comes, forgets everything
with a power cut (fsync=off), and ends with the tests, even with tests that are killed.
"""

import atexit
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from voicestt.ops.services import free_port

_PATIENCE = 60.0
_USER = "postgres"
_PROGRAMS = ("initdb", "postgres", "psql")
_FAST = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off"),
    *("shared_buffers=16MB", "max_connections=40", "wal_level=minimal", "max_wal_senders=0"),
)


class NoPostgres(AssertionError):
    """There is none on this machine, or it cannot be started; the message says what to do."""


class Cluster:
    """One PostgreSQL server. It can be stopped and started again, at the same address.

    `settings` are its own, `within` begins its command line.
    """

    def __init__(
        self, settings: Sequence[str] = _FAST, *, address: str = "127.0.0.1", within: Sequence[str] = ()
    ) -> None:
        self.address = address
        self._within = within
        self._settings = settings
        self._programs = _find_programs()
        self._folder = Path(tempfile.mkdtemp(prefix="voicestt-pg-"))
        self._data = self._folder / "data"
        self._log = self._folder / "log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)
        if os.geteuid() == 0:
            shutil.chown(self._folder, _USER)
        self._do("initdb", "-D", self._data, "-U", _USER, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 198.18.0.0/16 trust\n")  # the namespaces of tests/bench/hosts.py
        self.start()

    @property
    def socket_folder(self) -> Path:
        """Where its Unix socket is."""
        return self._folder

    def url(self, database: str) -> str:
        """The database's URL, as JOURNAL_URL has it."""
        return f"postgresql+psycopg://{_USER}:a-secret@{self.address}:{self.port}/{database}"

    def new_database(self, locale: str | None = None) -> str:
        """The URL of a new, empty database; its locale is C, or another."""
        name = f"journal_{next(self._names)}"
        of_locale = "" if locale is None else f" LOCALE '{locale}' TEMPLATE template0"
        self.do(f"CREATE DATABASE {name}{of_locale}", "postgres")
        return self.url(name)

    def do(self, statement: str, database: str) -> str:
        """The output of psql for one statement, rows without ornaments."""
        where = ("-h", self._folder, "-p", str(self.port), "-U", _USER, "-d", database)
        return self._do("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", statement)

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None

    def start(self) -> None:
        """Returns when it answers."""
        settings = [argument for setting in self._settings for argument in ("-c", setting)]
        where = ("-D", self._data, "-h", self.address, "-p", self.port, "-k", self._folder)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._within, *as_postgres(), self._programs["postgres"], *map(str, where), *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Ends it at once, and its connections with it; nothing where it does not run."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def remove(self) -> None:
        """Ends it for good."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_it_answers(self) -> None:
        give_up = time.monotonic() + _PATIENCE
        while True:
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise NoPostgres(f"PostgreSQL did not start:\n{self._log.read_text(errors='replace')[-4_000:]}")
            try:
                self.do("SELECT 1", "postgres")
            except NoPostgres:
                time.sleep(0.05)
            else:
                return

    def _do(self, program: str, *arguments: object) -> str:
        command = [*as_postgres(), self._programs[program], *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=_PATIENCE)
        if done.returncode:
            raise NoPostgres(f"{program} failed:\n{done.stderr}")
        return done.stdout


@functools.cache
def cluster() -> Cluster:
    """The one of this test run."""
    made = Cluster()
    atexit.register(made.remove)
    return made


def as_postgres() -> list[str]:
    """The beginning of a command line that is run as PostgreSQL's user, and ends with this process."""
    # It refuses to run as root. With its parent it ends: SIGQUIT is its own word for "at once".
    ends_with_us = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() != 0:
        return ends_with_us
    try:
        user = pwd.getpwnam(_USER)
    except KeyError:
        raise NoPostgres(
            f"there is no user {_USER}, whom PostgreSQL needs because these tests run as root"
        ) from None
    return [*ends_with_us, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _find_programs() -> dict[str, str]:
    for folder in _folders():
        found = {name: shutil.which(name, path=folder) for name in _PROGRAMS}
        programs = {name: path for name, path in found.items() if path is not None}
        if len(programs) == len(_PROGRAMS):
            return programs
    raise NoPostgres("The journal is tested with a real PostgreSQL, and there is none: apt-get install postgresql")


def _folders() -> Iterator[str]:
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    yield from map(str, newest_first)
    yield os.environ.get("PATH", os.defpath)


def _version(folder: Path) -> float:
    try:
        return float(folder.parent.name)
    except ValueError:
        return 0.0


def empty_database(kind: str, folder: Path) -> str:
    """The URL of a new database: `kind` is "sqlite", a file in `folder`, or "postgresql"."""
    return f"sqlite:///{folder}/journal.db" if kind == "sqlite" else cluster().new_database()
