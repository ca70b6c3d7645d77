"""The receivers that docs/webhook.md shows, as real processes, with events signed as the server signs them."""

import http.client
import json
import shutil
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

import pytest

from voicestt.delivery.webhook import signed
from voicestt.ops.services import free_port

KEY, OTHER_KEY = b"0123456789abcdef0123456789abcdef", b"an older key, or somebody else's"
SECRET = "whsec_" + b64encode(KEY).decode()
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PATIENCE = 30.0


class Receiver:
    """One of them, on a port of its own."""

    def __init__(self, command: list[str]) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [*command, str(self.port)], env={"EVENTS_WEBHOOK_SECRET": SECRET}, stdout=subprocess.PIPE, text=True
        )
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            with suppress(OSError):
                self.post({}, b"")
                return
            time.sleep(0.05)
        raise AssertionError("the receiver does not listen")

    def post(self, headers: Mapping[str, str], body: bytes) -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request("POST", "/", body, dict(headers))
            return connection.getresponse().status

    def stop(self) -> list[dict[str, object]]:
        """The events that it worked on."""
        self.process.terminate()
        printed, _ = self.process.communicate(timeout=PATIENCE)
        return [json.loads(line) for line in printed.splitlines()]


@pytest.fixture(params=["python", "node"])
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    if request.param == "python":
        command = [sys.executable, "-u", str(EXAMPLES / "webhook_receiver.py"), "--port"]
    else:
        node = shutil.which("node")
        assert node is not None, "node is missing, which this test needs: apt-get install nodejs"
        command = [node, str(EXAMPLES / "webhook_receiver.mjs")]
    made = Receiver(command)
    yield made
    if made.process.poll() is None:
        made.stop()


def event_of(text: str, event_id: str = "s-000001") -> dict[str, object]:
    return {"type": "final", "id": event_id, "text": text}


def body_of(*events: dict[str, object]) -> bytes:
    """One event, or some in an array."""
    return json.dumps(events[0] if len(events) == 1 else events, ensure_ascii=False).encode()


def test_a_signed_event_is_worked_on_once_however_often_it_comes(receiver: Receiver) -> None:
    now, first, second = int(time.time()), event_of("שלום"), event_of("לך", "s-000002")
    for _attempt in range(2):
        assert receiver.post(signed([KEY], "s-000001", now, body_of(first)), body_of(first)) == 204
    assert receiver.post(signed([KEY], "s-000002", now, body_of(second)), body_of(second)) == 204
    assert receiver.stop() == [first, second]


def test_of_some_events_in_one_post_each_is_worked_on_once(receiver: Receiver) -> None:
    now, events = int(time.time()), [event_of(str(number), f"s-{number:06d}") for number in range(1, 4)]
    assert receiver.post(signed([KEY], "s-000002", now, body_of(events[1])), body_of(events[1])) == 204
    batch = body_of(*events)
    assert receiver.post(signed([KEY], "s-000001-000003", now, batch), batch) == 204
    assert receiver.stop() == [events[1], events[0], events[2]]


def test_while_the_secret_is_changed_either_signature_will_do(receiver: Receiver) -> None:
    body = body_of(event_of("hello"))
    assert receiver.post(signed([OTHER_KEY, KEY], "s-000001", int(time.time()), body), body) == 204
    assert len(receiver.stop()) == 1


def test_what_is_forged_changed_or_old_is_refused(receiver: Receiver) -> None:
    now, body = int(time.time()), body_of(event_of("hello"))
    good = signed([KEY], "s-000001", now, body)
    assert receiver.post(signed([OTHER_KEY], "s-000001", now, body), body) == 401
    assert receiver.post(good, body_of(event_of("hullo"))) == 401
    assert receiver.post({**good, "webhook-id": "s-000002"}, body) == 401
    assert receiver.post(signed([KEY], "s-000001", now - 3_600, body), body) == 401
    for name, bad in (
        ("timestamp", "²"),
        ("timestamp", "now"),
        ("signature", "v1,"),
        ("signature", "v2,=="),
        ("id", ""),
    ):
        assert receiver.post({**good, f"webhook-{name}": bad.encode().decode("latin-1")}, body) == 401
    assert receiver.post({**good, "content-length": "1000001"}, b"") == 413
    assert receiver.stop() == []


def test_what_is_no_json_is_asked_for_again(receiver: Receiver) -> None:
    headers = signed([KEY], "s-000001", int(time.time()), b"{")
    assert receiver.post(headers, b"{") == 500
    assert receiver.post(headers, b"{") == 500
    assert receiver.stop() == []
