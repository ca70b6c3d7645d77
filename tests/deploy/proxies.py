"""The proxies of deploy/, really started: on free ports of 127.0.0.1, with a certificate for localhost."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.end_to_end.rig import PATIENCE, reserved, running, until
from voicestt.ops.services import beside_python

DEPLOY = Path(__file__).parents[2] / "deploy"
DEBIANS_CADDY = "/usr/bin/caddy"
NEW_CADDY = beside_python("caddy")
NAME = "localhost"

_NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
worker_processes 1;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/voicestt.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy, and whom it hands calls to."""

    kind: str
    folder: Path
    https: int
    http: int
    environment: dict[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """Where it takes calls."""
        return f"https://{NAME}:{self.https}"

    def reload(self, server_port: int) -> None:
        """Reads its files again, in which calls go to `server_port` now; returns when new calls do."""
        if self.kind == "nginx":
            self._reload_nginx(server_port)
        else:
            write_caddyfile(self.folder, server_port)
            self._run(self.kind, "reload", "--config", str(self.folder / "Caddyfile"), "--force")

    def _reload_nginx(self, server_port: int) -> None:
        before = self._workers()
        write_upstream(self.folder, server_port)
        self._run("nginx", "-t", "-c", str(self.folder / "nginx.conf"))
        self._run("nginx", "-s", "reload", "-c", str(self.folder / "nginx.conf"))
        until(lambda: self._workers() - before and self._leaving() >= before, "the old worker leaves")

    def _workers(self) -> set[int]:
        return self._in_log(r"start worker process (\d+)")

    def _leaving(self) -> set[int]:
        return self._in_log(r" (\d+)#\d+: gracefully shutting down")

    def _in_log(self, pattern: str) -> set[int]:
        return {int(pid) for pid in re.findall(pattern, (self.folder / "error.log").read_text())}

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr


def write_upstream(folder: Path, server_port: int) -> None:
    """The file that a deploy replaces."""
    shipped = (DEPLOY / "nginx" / "voicestt-upstream.conf").read_text()
    (folder / "upstream.conf").write_text(shipped.replace("5000", str(server_port)))


def write_nginx(folder: Path, server_port: int, http: int, https: int, certificate: tuple[Path, Path]) -> None:
    """The shipped file with this machine's names and ports, and a main file that includes it."""
    text = (DEPLOY / "nginx" / "voicestt.conf").read_text()
    for shipped, here in {
        "    listen [::]:80;\n": "",
        "    listen [::]:443 ssl;\n": "",
        "listen 80;": f"listen 127.0.0.1:{http};",
        "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
        "/etc/nginx/voicestt-upstream.conf": str(folder / "upstream.conf"),
        "/etc/letsencrypt/live/voice.example.com/fullchain.pem": str(certificate[0]),
        "/etc/letsencrypt/live/voice.example.com/privkey.pem": str(certificate[1]),
        "voice.example.com": NAME,
    }.items():
        assert shipped in text
        text = text.replace(shipped, here)
    (folder / "voicestt.conf").write_text(text)
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder))
    write_upstream(folder, server_port)


def write_caddyfile(folder: Path, server_port: int, old: bool = False) -> None:
    """The shipped file with a certificate of our own; for Debian's old Caddy without what that does not know."""
    text = (DEPLOY / "caddy" / "Caddyfile").read_text()
    assert "{$UPSTREAM:127.0.0.1:5000}" in text
    text = text.replace("{$UPSTREAM:127.0.0.1:5000}", f"127.0.0.1:{server_port}")
    text = text.replace("{\n", "{\n\thttp_port {$HTTP}\n\thttps_port {$HTTPS}\n\tskip_install_trust\n", 1)
    text = text.replace("\trequest_body", "\ttls {$CERTIFICATE} {$KEY}\n\trequest_body")
    if old:
        text = re.sub(r"\n\t\t#.*\n\t\tstream_close_delay .*", "", text)
    (folder / "Caddyfile").write_text(text)


@contextlib.contextmanager
def nginx(folder: Path, server_port: int, certificate: tuple[Path, Path]) -> Iterator[Proxy]:
    """Debian's nginx before the server at `server_port`."""
    with reserved() as one, reserved() as other:
        http, https = one.getsockname()[1], other.getsockname()[1]
        write_nginx(folder, server_port, http, https, certificate)
        log, environment = folder / "error.log", dict(os.environ)
        log.touch()
        command = ["nginx", "-e", str(log), "-c", str(folder / "nginx.conf")]
        with running(command, environment, folder, folder / "nginx.out") as process:
            until(lambda: process.poll() is not None or "start worker process" in log.read_text(), "nginx listens")
            assert process.poll() is None, log.read_text()
            yield Proxy("nginx", folder, https, http, environment)


@contextlib.contextmanager
def caddy(program: str, folder: Path, server_port: int, certificate: tuple[Path, Path]) -> Iterator[Proxy]:
    """A Caddy before the server at `server_port`."""
    with reserved() as one, reserved() as other, reserved() as third:
        http, https, admin = (place.getsockname()[1] for place in (one, other, third))
        write_caddyfile(folder, server_port, old=program == DEBIANS_CADDY)
        environment = os.environ | {
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "PUBLIC_HOST": NAME,
            "HTTP": str(http),
            "HTTPS": str(https),
            "CERTIFICATE": str(certificate[0]),
            "KEY": str(certificate[1]),
            "CADDY_ADMIN": f"127.0.0.1:{admin}",
        }
        log = folder / "caddy.log"
        command = [program, "run", "--config", str(folder / "Caddyfile")]
        with running(command, environment, folder, log) as process:
            until(lambda: process.poll() is not None or "serving initial" in log.read_text(), "Caddy listens")
            assert process.poll() is None, log.read_text()
            yield Proxy(program, folder, https, http, environment)


@contextlib.contextmanager
def calling(proxy: Proxy, token: str, clip: Path, trusted: Path) -> Iterator["subprocess.Popen[str]"]:
    """`voicestt call` through the proxy, which goes on meanwhile."""
    process = subprocess.Popen(
        [beside_python("voicestt"), "call", str(clip), "--to", proxy.url, "--silence", "1"],
        env=os.environ
        | {
            "PUBLIC_HOST": NAME,
            "TWILIO_AUTH_TOKEN": token,
            "SSL_CERT_FILE": str(trusted),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
