"""Twilio's REST API for one resource, the call, by HTTP on this machine."""

import base64
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

TOKEN = "12345678901234567890123456789012"


@dataclass(frozen=True)
class Asked:
    path: str
    user: str
    password: str
    form: dict[str, str]


class TwilioApi:
    """Keeps what it is asked; answers with `status`, Twilio's error `code` and `message`, or never (`holds`)."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.status = 200
        self.code: int | None = None
        self.message = "The number +972501234567 is not good"
        self.body: bytes | None = None
        self.holds = False
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, asked: Asked) -> bytes:
        self.asked.append(asked)
        if self.holds:
            self._released.wait(30)
        if self.body is not None:
            return self.body
        if self.status < 400:
            return json.dumps(
                {"sid": asked.path.split("/")[-1].removesuffix(".json"), "status": "completed"}
            ).encode()
        error = {"status": self.status, "message": self.message, "code": self.code}
        return json.dumps(error).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                form = {name: values[0] for name, values in parse_qs(self.rfile.read(size).decode()).items()}
                scheme, _, credentials = self.headers["Authorization"].partition(" ")
                assert scheme == "Basic"
                user, _, password = base64.b64decode(credentials).decode().partition(":")
                body = api.answer(Asked(self.path, user, password, form))
                self.send_response(api.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                """Log nothing."""

        return Handler
