"""Measures the answers that strangers get, and their cost to the calls beside them: nothing.

    python tests/bench/abuse.py --calls 20 --seconds 12

For each attack a scripted Google service and the server are started, calls are placed, and the attack runs beside
them from a process of its own, for a bounded time, to 127.0.0.1 only. Printed: what the attacker got, the worst
lag of the reactor, the most memory that the server held, and what the live calls lost. An attack is a function of
a server and a time to end at; others are added to `ATTACKS`.
"""

import argparse
import http.client
import multiprocessing
import re
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.health import health
from voicestt.emulators.twilio import webhook_forms
from voicestt.emulators.twilio.signatures import signature
from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.ops import tables
from voicestt.ops.load.own_server import Server, own_server
from voicestt.ops.load.raw_call import PING, TEXT, masked, post
from voicestt.ops.load.run import load
from voicestt.ops.services import PUBLIC_HOST

HEADING = ("attack", "the attacker got", "worst lag ms", "MB", "log lines", "tracebacks", "calls that lost")
Attack = Callable[[Server, float], str]
"""Attacks the server until so many CLOCK_MONOTONIC seconds, and says what it got."""

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
IDLE = 1_500
SOCKETS = 12
GIVE_UP = 60.0
_MEDIA = "/ws/twilio-media"


def connected(server: Server) -> socket.socket:
    """A new connection."""
    here = urlsplit(server.target.url)
    assert here.hostname == "127.0.0.1"
    return socket.create_connection((here.hostname, here.port or 80), timeout=5)


def head(method: str, path: str, *headers: bytes) -> bytes:
    """The head of a request."""
    return b"".join([f"{method} {path} HTTP/1.1\r\nHost: {PUBLIC_HOST}\r\n".encode(), *headers, b"\r\n"])


def poured(server: Server, first: bytes, more: bytes, until: float, most: int = 100_000_000) -> str:
    """Sends `first`, and `more` over and over until it is cut off; what the answer was."""
    sent = 0
    with connected(server) as stranger:
        with suppress(OSError):
            stranger.sendall(first)
            while sent < most and time.monotonic() < until:
                stranger.sendall(more)
                sent += len(more)
        with suppress(OSError):
            answer = stranger.recv(64).split(b"\r\n")[0].decode("ascii", "replace")
            return f"{answer or 'cut'} after {sent / 1e6:.2f} MB"
    return f"cut after {sent / 1e6:.2f} MB"


def form(server: Server, until: float) -> str:
    """100 MB of a form."""
    length = b"Content-Length: 100000000\r\n"
    return poured(server, head("POST", "/nothing", FORM, length), b"a=&" * 20_000, until)


def multipart(server: Server, until: float) -> str:
    """8 MB of small parts."""
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 1_000
    kind = b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 8000000\r\n"
    return poured(server, head("POST", "/nothing", kind), part, until, 8_000_000)


def chunks(server: Server, until: float) -> str:
    """A body in chunks, without an end."""
    return poured(
        server,
        head("POST", "/nothing", FORM, b"Transfer-Encoding: chunked\r\n"),
        b"400\r\n" + b"a=&x" * 256 + b"\r\n",
        until,
    )


def idle(server: Server, until: float) -> str:
    """Connections that say a byte every second, and a request of somebody else's beside them."""
    held = [connected(server) for _ in range(IDLE)]
    asked = answered = 0
    until = max(until, time.monotonic() + 3.0)
    while time.monotonic() < until:
        for stranger in held:
            with suppress(OSError):
                stranger.send(b"G")
        asked += 1
        answered += asks_health(server)
        time.sleep(1.0)
    alive = sum(map(is_open, held))
    return f"{alive} of {IDLE} open at the end; {answered} of {asked} others' requests answered"


def is_open(stranger: socket.socket) -> bool:
    """Whether the other side has not closed it."""
    try:
        stranger.setblocking(False)
        while stranger.recv(65_536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def asks_health(server: Server) -> bool:
    """Whether GET /healthz is answered."""
    try:
        return bool(health(server))
    except (OSError, ValueError, http.client.HTTPException):
        return False


def media_socket(server: Server) -> socket.socket:
    """A socket opened with a captured handshake."""
    signed = signature(server.target.auth_token or "", f"wss://{PUBLIC_HOST}{_MEDIA}").encode()
    stranger = connected(server)
    stranger.sendall(
        head(
            "GET",
            _MEDIA,
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-Twilio-Signature: " + signed + b"\r\n",
        )
    )
    stranger.recv(4_096)
    return stranger


def flooded(server: Server, frames: bytes, until: float) -> str:
    """The same frames over and over on twelve sockets, whose answers nobody reads."""
    sockets = [media_socket(server) for _ in range(SOCKETS)]
    for stranger in sockets:
        stranger.setblocking(False)
    sent = 0
    while time.monotonic() < until:
        for stranger in sockets:
            with suppress(OSError):
                sent += stranger.send(frames)
        time.sleep(0.001)
    return f"{sent / 1e6:.1f} MB taken of {SOCKETS} sockets, {sum(map(is_open, sockets))} open"


def pings(server: Server, until: float) -> str:
    """Pings of 125 bytes, whose pongs are not read."""
    return flooded(server, masked(PING, b"x" * 125) * 200, until)


def tiny_frames(server: Server, until: float) -> str:
    """Text frames of one byte."""
    return flooded(server, masked(TEXT, b"x") * 2_000, until)


def silent_sockets(server: Server, until: float) -> str:
    """Sockets with a captured handshake that never say `start`."""
    sockets = [media_socket(server) for _ in range(100)]
    time.sleep(max(14.0, until - time.monotonic()))  # ten seconds, two to close, and a margin
    return f"{sum(map(is_open, sockets))} of {len(sockets)} open at the end"


def handshakes(server: Server, until: float) -> str:
    """Handshakes with a wrong signature, as many as there can be."""
    wrong = head("GET", _MEDIA, b"Upgrade: websocket\r\nX-Twilio-Signature: \x1b[2J\r\n")
    count = 0
    while time.monotonic() < until:
        with suppress(OSError), connected(server) as stranger:
            stranger.sendall(wrong)
            count += stranger.recv(65_536).startswith(b"HTTP/1.1 403")
    return f"{count} refused"


def odd_requests(server: Server, until: float) -> str:
    """Requests that once gave tracebacks."""
    odd = [
        head("GET", ":webhook/x"),
        head("GET", "[ws/x"),
        head("POST", "/x", b"Content-Length: " + b"9" * 5_000 + b"\r\n"),
        b"GET / HTTP/1.1\r\nHost: ..\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + b"x" * 5_000 + b"\r\n\r\n",
        head("POST", "/webhook/incoming_call", b"X-Twilio-Webhooks-Signature-Settings: algorithm=\x1b[2J\r\n"),
    ]
    answers: set[str] = set()
    while time.monotonic() < until:
        for request in odd:
            with suppress(OSError), connected(server) as stranger:
                stranger.sendall(request)
                answers.add(stranger.recv(12).decode("ascii", "replace")[9:])
    return f"answers: {', '.join(sorted(answers))}"


def more_calls(server: Server, until: float) -> str:
    """Twice as many calls as MAX_CALLS allows: signed webhooks, once as many calls are live as are taken."""
    answers: Counter[int] = Counter()
    while time.monotonic() < until:
        if not health(server)["busy"]:
            time.sleep(0.1)
            continue
        form = webhook_forms.incoming_call(Sids())
        status, _, _ = post(server.target, server.target.public_url, form)
        answers[status] += 1
        time.sleep(0.01)
    return ", ".join(f"{count} times {status}" for status, count in sorted(answers.items()))


def nothing(_server: Server, _until: float) -> str:
    """Nobody attacks."""
    return "-"


ATTACKS: dict[str, Attack] = {
    each.__name__.replace("_", " "): each
    for each in (
        nothing,
        form,
        multipart,
        chunks,
        idle,
        pings,
        tiny_frames,
        silent_sockets,
        handshakes,
        odd_requests,
        more_calls,
    )
}


def _attack(name: str, server: Server, until: float, told: "multiprocessing.SimpleQueue[str]") -> None:
    try:
        told.put(ATTACKS[name](server, until))
    except Exception as problem:  # noqa: BLE001 - whatever ends it is what it got
        told.put(f"ended by {type(problem).__name__}: {problem}")


@contextmanager
def attacking(name: str, server: Server, seconds: float) -> Iterator["multiprocessing.SimpleQueue[str]"]:
    """The attack, in a process of its own; ended in any case."""
    context = multiprocessing.get_context("fork")
    told: multiprocessing.SimpleQueue[str] = context.SimpleQueue()
    process = context.Process(target=_attack, args=(name, server, time.monotonic() + seconds, told))
    process.start()
    try:
        yield told
        process.join(GIVE_UP)
    finally:
        process.kill()
        process.join()


def one(name: str, calls: int, seconds: float) -> tuple[tuple[str, ...], bool]:
    """One attack's row, and whether no call lost anything."""
    settings = {"MAX_CALLS": str(calls)} if name == "more calls" else {}
    with (
        tempfile.TemporaryDirectory(prefix="voicestt-abuse-") as folder,
        own_server(Path(folder), settings) as server,
    ):
        with attacking(name, server, seconds) as told:
            figures = load(server, calls, seconds)
        got = "nothing" if told.empty() else told.get()
        lag = health(server)["figures"]["reactor_lag_ms"]["max"]
        log = (Path(folder) / "server.log").read_text("utf-8", "replace")
        held = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())
    delay = "-" if figures.delays is None else str(figures.delays)
    row = (
        name,
        got,
        f"{lag:.0f}" if isinstance(lag, int | float) else "-",
        f"{int(held[1]) / 1_024:.0f}" if held else "-",
        str(len(log.splitlines())),
        str(log.count("Traceback") + log.count("\x1b")),
        str(len(figures.faults)),
    )
    if figures.faults:
        print(f"{name}: {figures.faults[:3]} {delay[:200]}", flush=True)
    return row, not figures.faults


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Attacks beside live calls, on this machine only.")
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--only", nargs="+", choices=list(ATTACKS), default=list(ATTACKS))
    options = parser.parse_args()
    rows: list[tuple[str, ...]] = [HEADING]
    good = True
    for name in options.only:
        row, is_good = one(name, options.calls, options.seconds)
        rows.append(row)
        good = good and is_good
        print("  ".join(row), flush=True)
    print()
    print("\n".join(tables.table(rows[0], rows[1:], right=True)))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
