"""Receives voicestt's webhook and checks its signature: Python 3.11's own library, an example to copy and change.

    EVENTS_WEBHOOK_SECRET=whsec_… python webhook_receiver.py --port 8080

The signature is that of Standard Webhooks: HMAC-SHA256 of the id, the time and the body, with full stops between
them. Any of its libraries checks the same; here it is written out.
"""

import argparse
import base64
import binascii
import hmac
import json
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

TOLERANCE_SECONDS = 300
REMEMBERED_IDS = 100_000
LARGEST_BODY = 1_000_000


class BadSignature(Exception):
    """The request is not from voicestt, or was changed, or is an old one that somebody sends again."""


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Check the three `webhook-` headers, their names in lower case, against the body as it came, byte for byte.

    Raises:
        BadSignature: with what is wrong.
    """
    event_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdecimal()) or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise BadSignature("the time is missing, or too far from this machine's clock")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = base64.b64encode(hmac.digest(key, f"{event_id}.{timestamp}.".encode() + body, "sha256"))
    # While a secret is changed there are two signatures; one that fits is enough.
    for signature in headers.get("webhook-signature", "").split():
        scheme, _, value = signature.partition(",")
        if scheme == "v1" and hmac.compare_digest(value.encode("utf-8", "replace"), right):
            return
    raise BadSignature("no signature fits")


def work(event: dict[str, Any]) -> None:
    """Yours. It must be done within 15 seconds: put what is slow into a queue of your own."""
    print(json.dumps(event, ensure_ascii=False), flush=True)


class Seen:
    """The ids of the events that were worked on: the same event can come twice."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    def is_new(self, event_id: str) -> bool:
        """Whether this id was never asked about before."""
        with self._lock:
            if event_id in self._ids:
                return False
            self._ids[event_id] = None
            if len(self._ids) > REMEMBERED_IDS:
                self._ids.popitem(last=False)
            return True

    def forget(self, event_id: str) -> None:
        """The work failed: when the event comes again, it is new."""
        with self._lock:
            self._ids.pop(event_id, None)


class Receiver(BaseHTTPRequestHandler):
    """One request: 204 for an event that was worked on, 401 for a signature that does not fit."""

    protocol_version = "HTTP/1.1"
    timeout = 20
    secret = ""
    seen = Seen()

    def do_POST(self) -> None:
        """An event."""
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdecimal()) or int(length) > LARGEST_BODY:
            self._answer(413)
            return
        body = self.rfile.read(int(length))
        try:
            verify(self.secret, {name.lower(): value for name, value in self.headers.items()}, body, time.time())
        except (BadSignature, binascii.Error) as problem:
            self.log_message("refused: %s", problem)
            self._answer(401)
            return
        self._answer(self._work(body))

    def _work(self, body: bytes) -> int:
        try:
            parsed = json.loads(body)
            # With EVENTS_WEBHOOK_BATCH it is an array, in order.
            for event in parsed if isinstance(parsed, list) else [parsed]:
                self._work_once(event)
        except Exception as problem:  # noqa: BLE001 - whatever it is, voicestt tries again later
            self.log_message("failed: %r", problem)
            return 500
        return 204

    def _work_once(self, event: dict[str, Any]) -> None:
        if self.seen.is_new(event["id"]):
            try:
                work(event)
            except Exception:
                self.seen.forget(event["id"])
                raise

    def _answer(self, status: int) -> None:
        self.close_connection = status != 204
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


def main() -> None:
    """From the command line."""
    options = argparse.ArgumentParser(description="Receives voicestt's webhook.")
    options.add_argument("--port", type=int, default=8080)
    Receiver.secret = os.environ["EVENTS_WEBHOOK_SECRET"]
    ThreadingHTTPServer(("127.0.0.1", options.parse_args().port), Receiver).serve_forever()


if __name__ == "__main__":
    main()
