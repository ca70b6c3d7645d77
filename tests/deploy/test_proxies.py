"""nginx and Caddy before the server, as deploy/ has them: calls go through, and no reload hangs up on anybody."""

import contextlib
import http.client
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.certificates import certificate
from tests.deploy.proxies import DEBIANS_CADDY, DEPLOY, NAME, NEW_CADDY, Proxy, caddy, calling, nginx
from tests.end_to_end.clips import as_mulaw, speech, write_wav
from tests.end_to_end.rig import ENDED_AS_ASKED, PATIENCE, Server, running_server, scripted_google, until
from tests.end_to_end.twilio_line import MEDIA_PATH, TwilioLine
from voicestt.audio.mulaw import BYTES_PER_SECOND
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.twilio.call_values import ServerTarget
from voicestt.server.bounded_http import LARGEST_BODY

TOKEN = "the-token-of-all-processes"
FIRST, LAST = "these words are said first", "and these come last"
SAID = {
    "utterances": [{"text": FIRST, "start": 0.2, "end": 0.6}, {"text": LAST, "start": 2.6, "end": 3.2}],
    "final_delay": 0.1,
}
SPEECH = speech(7, 3.4, (0.2, 0.6), (2.6, 3.2))
AUDIO = as_mulaw(SPEECH)
WEBHOOK = "/webhook/incoming_call"
Starting = Callable[[Path, int, tuple[Path, Path]], "contextlib.AbstractContextManager[Proxy]"]
PROXIES: dict[str, Starting] = {
    "nginx": nginx,
    "caddy": partial(caddy, NEW_CADDY),
    "caddy 2.6": partial(caddy, DEBIANS_CADDY),
}


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("certificate"), 30)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wav(tmp_path_factory.mktemp("clip") / "clip.wav", SPEECH)


@pytest.fixture(scope="module")
def google() -> Iterator[LocalGoogle]:
    with scripted_google(SAID) as made:
        yield made


@contextlib.contextmanager
def serving(folder: Path, google: LocalGoogle) -> Iterator[Server]:
    settings = {"PUBLIC_HOST": NAME, "TRUSTED_PROXIES": "127.0.0.1", "TWILIO_AUTH_TOKEN": TOKEN}
    settings |= {"EVENTS_TOKEN": TOKEN, "SHUTDOWN_SECONDS": "600"}  # longer than any busy machine needs
    with running_server(folder, google.port, **settings) as made:
        yield made
        assert "Traceback" not in made.output


@pytest.fixture(scope="module")
def new(google: LocalGoogle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("new"), google) as made:
        yield made


def ended_well(call: "subprocess.Popen[str]") -> None:
    said = call.communicate(timeout=PATIENCE)[0]
    assert call.returncode == 0, said


def asked(
    proxy: Proxy,
    trusted: Path,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> int:
    """The status of one request, of a client at 127.0.0.5."""
    context = ssl.create_default_context(cafile=str(trusted))
    line = socket.create_connection(("127.0.0.1", proxy.https), PATIENCE, ("127.0.0.5", 0))
    connection = http.client.HTTPSConnection(NAME, proxy.https, timeout=PATIENCE)
    connection.sock = context.wrap_socket(line, server_hostname=NAME)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        return connection.getresponse().status


@pytest.mark.parametrize(
    ("kind", "path", "refusal"),
    [
        ("nginx", WEBHOOK, "A webhook was refused"),
        ("caddy", MEDIA_PATH, "A WebSocket was refused"),
        ("caddy 2.6", "/events", "A listener of the live events was refused"),
    ],
)
def test_a_proxy_passes_what_the_server_takes_and_says_who_asked(
    kind: str, path: str, refusal: str, new: Server, tmp_path: Path, certified: tuple[Path, Path]
) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "Connection": "upgrade", "Upgrade": "websocket"}
    with PROXIES[kind](tmp_path, new.port, certified) as proxy:
        assert asked(proxy, certified[0], "GET", "/healthz") == 200
        assert asked(proxy, certified[0], "POST", "/nothing", b"x" * LARGEST_BODY) == 404
        assert asked(proxy, certified[0], "POST", "/nothing", b"x" * (LARGEST_BODY + 1)) == 413
        assert asked(proxy, certified[0], "GET", path, headers=forged) in {401, 403}
        assert "It came from 127.0.0.5." in new.wait_for(refusal)[0]


@pytest.mark.parametrize("kind", PROXIES)
def test_a_proxy_sends_http_to_https(kind: str, new: Server, tmp_path: Path, certified: tuple[Path, Path]) -> None:
    with PROXIES[kind](tmp_path, new.port, certified) as proxy:
        plain = http.client.HTTPConnection("127.0.0.1", proxy.http, timeout=PATIENCE)
        with contextlib.closing(plain):
            plain.request("GET", "/healthz", headers={"Host": NAME})
            answer = plain.getresponse()
            assert answer.status in {301, 308}
            assert answer.headers["Location"].startswith(f"https://{NAME}")


def test_a_call_goes_through_debians_caddy(
    new: Server, tmp_path: Path, clip: Path, certified: tuple[Path, Path]
) -> None:
    with (
        caddy(DEBIANS_CADDY, tmp_path, new.port, certified) as proxy,
        calling(proxy, TOKEN, clip, certified[0]) as call,
    ):
        ended_well(call)


@pytest.fixture
def old(google: LocalGoogle, tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "old"
    folder.mkdir()
    with serving(folder, google) as made:
        yield made


def ready(server: Server) -> int:
    """The answer of /readyz to a balancer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", "/readyz")
        return connection.getresponse().status


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
def test_a_deploy_with_two_processes_hangs_up_on_nobody(
    kind: str,
    old: Server,
    new: Server,
    tmp_path: Path,
    clip: Path,
    certified: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As docs/deploying.md has it: the proxy is reloaded; then SIGTERM, and the old process ends with its call."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certified[0]))
    with (
        PROXIES[kind](tmp_path, old.port, certified) as proxy,
        TwilioLine(ServerTarget(proxy.url, NAME, TOKEN)) as live,
    ):
        live.begin()
        live.speak(AUDIO[: 2 * BYTES_PER_SECOND])
        assert old.wait_for_final(live.sids.call) == [FIRST]
        assert (ready(old), ready(new)) == (200, 200)
        proxy.reload(new.port)
        old.process.terminate()
        until(lambda: ready(old) == 503, "the old process is not ready any more")
        before = len(new.texts("final"))
        with calling(proxy, TOKEN, clip, certified[0]) as later:
            ended_well(later)
        assert new.texts("final")[before:] == [FIRST, LAST]
        live.speak(AUDIO[2 * BYTES_PER_SECOND :])
        assert old.wait_for_final(live.sids.call, 2) == [FIRST, LAST]
        assert old.process.poll() is None
        assert live.hang_up() == 1000
        assert old.process.wait(PATIENCE) in ENDED_AS_ASKED


def test_the_limits_of_nginx_are_longer_than_any_call_and_no_worker_is_killed() -> None:
    text = (DEPLOY / "nginx" / "voicestt.conf").read_text()
    hours = re.findall(r"^\s*proxy_(?:read|send)_timeout (\d+)h;", text, re.MULTILINE)
    assert [int(each) for each in hours] == [25, 25]  # Twilio ends a call after 24
    assert re.search(r"^\s*worker_shutdown_timeout", text, re.MULTILINE) is None
