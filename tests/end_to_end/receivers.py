"""Receivers of events: a webhook's receiver that can fail in every way, and workers that read Redis."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from standardwebhooks.webhooks import Webhook

from tests.end_to_end.rig import PATIENCE, reserved
from tests.redis_server import RedisServer

SECRET = "whsec_" + b64encode(b"0123456789abcdef0123456789abcdef").decode()
_WORKER = Path(__file__).parents[2] / "docs" / "examples" / "redis_worker.py"


@dataclass(slots=True)
class Post:
    """A signed event. `was_held`: it came while nothing was answered; `status` is its answer, None before it."""

    id: str
    event: dict[str, Any]
    was_held: bool
    status: int | None = None
    traceparent: str | None = None


class WebhookReceiver:
    """Listens on one port whenever it is up. `posts` are those whose signature is good, in the order of their
    arrival; `forged` counts the others. `answer` gives the status of each, and may look at `posts`.
    """

    def __init__(self) -> None:
        self._place = reserved()
        self.port: int = self._place.getsockname()[1]
        self.posts: list[Post] = []
        self.forged = 0
        self.answer: Callable[[Post], int] = lambda _post: 204
        self._lock = threading.Lock()
        self._may_answer = threading.Event()
        self._may_answer.set()
        self._connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The server's variables for it."""
        return {
            "EVENTS_WEBHOOK_URL": f"http://127.0.0.1:{self.port}/events?for=tests",
            "EVENTS_WEBHOOK_SECRET": SECRET,
        }

    @property
    def events(self) -> list[dict[str, Any]]:
        """All that came, in order, repeats too."""
        return [post.event for post in list(self.posts)]

    @property
    def accepted(self) -> list[dict[str, Any]]:
        """Those of them that it said yes to."""
        return [post.event for post in list(self.posts) if post.status is not None and post.status < 300]

    @property
    def statuses(self) -> list[int | None]:
        """The status that each was answered with."""
        return [post.status for post in list(self.posts)]

    def up(self) -> None:
        """Listens."""
        self._server = _Server(("127.0.0.1", self.port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def down(self) -> None:
        """Ends every connection, and listens no more; nothing where it is down."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.shutdown()
        self._thread.join()
        self.release()
        for connection in list(self._connections):
            _cut(connection)
        server.server_close()

    def hold(self) -> None:
        """From now on it takes what comes, and does not answer."""
        with self._lock:
            self._may_answer.clear()

    def release(self) -> None:
        """Answers again, also what it held."""
        self._may_answer.set()

    def __enter__(self) -> "WebhookReceiver":
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        self._place.close()

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """One POST; its answer."""
        Webhook(SECRET).verify(body, dict(headers))
        with self._lock:
            post = Post(headers["webhook-id"], json.loads(body), not self._may_answer.is_set())
            post.traceparent = headers.get("traceparent")
            self.posts.append(post)
        self._may_answer.wait(PATIENCE)
        with self._lock:
            post.status = self.answer(post)
        return post.status

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    status = receiver.take(headers, body)
                except Exception:  # noqa: BLE001 - the library's own, and whatever a bad body leads to
                    receiver.forged += 1
                    status = 401
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def setup(self) -> None:
                super().setup()
                receiver._connections.add(self.connection)

            def finish(self) -> None:
                receiver._connections.discard(self.connection)
                super().finish()

            def log_message(self, *_arguments: Any) -> None:
                """Log nothing."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # they are waited for
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Whoever was cut off, or killed: it is what the test does."""


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is gone already
        connection.shutdown(socket.SHUT_RDWR)


class RedisWorkers:
    """`docs/examples/redis_worker.py` as processes of one group. They write into one file, each line in one go:
    its order is that in which they worked.
    """

    def __init__(self, redis: RedisServer, folder: Path, shards: int) -> None:
        self._redis = redis
        self._shards = shards
        self._file = folder / "worked.txt"
        self._file.touch()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """One more, whose place is taken two seconds after it was last seen."""
        where = ["--url", self._redis.url, "--shards", str(self._shards), "--name", name, "--lease", "2"]
        # Unbuffered, a line would be two writes.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        with self._file.open("ab") as output:
            self._processes[name] = subprocess.Popen(
                [sys.executable, str(_WORKER), *where], stdout=output, env=environment
            )

    def kill(self, name: str) -> None:
        """SIGKILL."""
        process = self._processes.pop(name)
        process.kill()
        process.wait(PATIENCE)

    def holder_of(self, stream: str) -> str | None:
        """The worker that has a stream now."""
        with self._redis.client(decode_responses=True) as client:
            holder: str | None = client.get(f"voicestt:lease:workers:{stream}")
            return holder

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that were worked on, in order, repeats too."""
        lines = self._file.read_text("utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n") and not line.startswith("#")]

    def __enter__(self) -> "RedisWorkers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(PATIENCE) for process in self._processes.values()]
        assert not any(codes), codes


def first_arrivals(events: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The ids of each session's events in the order in which they came for the first time."""
    ids: dict[str, dict[str, None]] = defaultdict(dict)
    for event in events:
        ids[event["session"]][event["id"]] = None
    return {session: list(each) for session, each in ids.items()}


def finals_of(events: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """CallSid and text of each final."""
    return {(event["call_sid"], event["text"]) for event in events if event["type"] == "final"}


def check_schema(events: Iterable[Mapping[str, Any]]) -> None:
    """Fails for the first that does not fit the schema in the package."""
    validator = Draft202012Validator(json.loads((files("voicestt") / "events.schema.json").read_bytes()))
    for event in events:
        validator.validate(event)
