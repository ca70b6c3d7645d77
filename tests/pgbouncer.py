"""A real PgBouncer of a test's own, in transaction mode, before the tests' PostgreSQL."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from tests.postgres import as_postgres, cluster
from voicestt.ops.processes import accepts
from voicestt.ops.services import free_port

SESSIONS = 2
"""How many sessions of PostgreSQL all its clients share."""

_PATIENCE = 30.0
_SETTINGS = """
[databases]
* = host=127.0.0.1 port={postgres}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 100
logfile = {log}
"""


@dataclass(frozen=True, slots=True)
class Bouncer:
    """Where it listens, and what it says."""

    port: int
    log: Path

    def url(self, url: str) -> str:
        """The way through it to a database of the tests' PostgreSQL."""
        return make_url(url).set(port=self.port).render_as_string(hide_password=False)


@contextlib.contextmanager
def pgbouncer() -> Iterator[Bouncer]:
    """Listens, and takes anybody who comes as PostgreSQL's own user."""
    # Not in the test's own folder, which PostgreSQL's user cannot look into.
    folder = Path(tempfile.mkdtemp(prefix="voicestt-pgbouncer-"))
    port, log = free_port(), folder / "log"
    users, settings = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text('"postgres" ""\n')
    settings.write_text(
        _SETTINGS.format(postgres=cluster().port, port=port, users=users, sessions=SESSIONS, log=log)
    )
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    command = [*as_postgres(), _program(), "-q", str(settings)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/")
    try:
        _wait_until_it_listens(process, port)
        yield Bouncer(port, log)
    finally:
        process.terminate()
        process.wait(_PATIENCE)
        shutil.rmtree(folder)


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int) -> None:
    give_up = time.monotonic() + _PATIENCE
    while not accepts(port):
        assert process.poll() is None, "PgBouncer did not start"
        assert time.monotonic() < give_up, "PgBouncer does not listen"
        time.sleep(0.02)


def _program() -> str:
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        raise AssertionError("pgbouncer is missing, which this test needs: apt-get install pgbouncer")
    return found
