"""`twistd voicestt --workers`: several processes that are one server, through deaths and replacement."""

import contextlib
import http.client
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.rig import (
    ENDED_AS_ASKED,
    Server,
    reserved,
    running,
    running_server,
    scripted_google,
    until,
)
from tests.end_to_end.twilio_line import TwilioLine
from voicestt.emulators.twilio import webhook_forms
from voicestt.ops.load.raw_call import post
from voicestt.ops.services import Services

SCRIPT = {"utterances": [{"text": "one {key} three four five six", "start": 0.3, "end": 1.8}]}
CALLS = 8


def announce(server: Server, line: TwilioLine) -> None:
    """The webhook of a call: any worker gets it."""
    assert post(server.target, server.target.public_url, webhook_forms.incoming_call(line.sids))[0] == 200


def half_said(line: TwilioLine, number: int) -> None:
    line.begin()
    line.speak(as_mulaw(speech(number, 1.5, (0.3, 1.5))))


def by_worker(server: Server) -> dict[str, int]:
    """The live calls of each worker that answers."""
    return {name: each["live_calls"] for name, each in server.health().get("workers", {}).items()}


def pids(server: Server) -> dict[str, int]:
    """The last process of each worker's name."""
    return {name: int(pid) for name, pid in re.findall(r"Worker (\d+) is started: process (\d+)\.", server.output)}


def metrics(server: Server) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", "/metrics", headers={"Authorization": "Bearer s3cret"})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def metrics_inside(path: Path) -> str:
    """The metrics on an address of their own."""
    with socket.socket(socket.AF_UNIX) as reader:
        reader.settimeout(10)
        reader.connect(str(path))
        reader.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        page = b""
        while data := reader.recv(65_536):
            page += data
    return page.decode()


@contextlib.contextmanager
def listening(server: Server) -> Iterator[list[str]]:
    """The lines that a listener at one of the workers is told, as they come."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/events", headers={"Authorization": "Bearer s3cret"})
    answer = connection.getresponse()
    heard: list[str] = []

    def read() -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            heard.extend(iter(lambda: answer.readline().decode(), ""))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    time.sleep(1)  # until the siblings know
    try:
        yield heard
    finally:
        connection.close()


def is_alive(line: TwilioLine) -> bool:
    try:
        line.ping(b"?")  # refused at once where the kernel has been told that nobody is there
        return line.pong() == b"?"
    except (OSError, AssertionError, EOFError):
        return False


def test_two_workers_are_one_server_and_a_kill_costs_the_calls_of_one(tmp_path: Path) -> None:
    settings = {
        "WEB_CONCURRENCY": "2",
        "REQUIRE_KNOWN_CALL": "true",  # the webhook and the socket of a call come to any two workers
        "METRICS_TOKEN": "s3cret",
        "EVENTS_TOKEN": "s3cret",
        "VOICESTT_SOCKET": str(tmp_path / "s"),
    }
    with (
        scripted_google(SCRIPT) as google,
        running_server(tmp_path, google.port, **settings) as server,
        contextlib.ExitStack() as stack,
    ):
        server.wait_for("is ready.", 2)
        heard = stack.enter_context(listening(server))
        lines = [stack.enter_context(TwilioLine(server.target)) for _ in range(CALLS)]
        for number, line in enumerate(lines):
            announce(server, line)
            half_said(line, 40 + number)
        server.wait_for("Call started", CALLS)
        shares = until(lambda: found if sum((found := by_worker(server)).values()) == CALLS else {}, "all calls")
        assert sorted(shares) == ["1", "2"]
        assert min(shares.values()) >= 2
        assert server.health()["live_calls"] == CALLS
        check_metrics(metrics(server))
        until(lambda: heard.count("event: call_started\n") == CALLS, "one worker tells of the calls of all")
        assert "cygrpc" not in Path(f"/proc/{server.process.pid}/maps").read_text()

        said = server.asked("flag", "off").splitlines()
        assert [line.partition(":")[0] for line in said] == ["worker 1", "worker 2"]

        dead = max(shares, key=lambda name: shares[name])
        began = time.monotonic()
        os.kill(pids(server)[dead], signal.SIGKILL)
        server.wait_for(f"Worker {dead} died (process {pids(server)[dead]}, signal 9)")
        closed = until(lambda: ends(server), "the killed worker's calls are closed")
        assert time.monotonic() - began < 12, "a look every 15 s, or a lease, is not waited for"
        assert len(until(lambda: found if len(found := ends(server)) == shares[dead] else [], f"{closed}")) > 0
        server.wait_for(f"Worker {dead} is ready.", 2)
        assert sum(is_alive(line) for line in lines) == CALLS - shares[dead]
        assert "ENABLE_STREAMING_STT=True" not in server.asked("flag", "show"), "a new worker keeps the flag"
        assert server.health()["status"] != "stopping"
        assert server.end() in ENDED_AS_ASKED
        assert "Traceback" not in server.output


def ends(server: Server) -> list[str]:
    return [
        event["call_sid"]
        for event in server.journal()
        if event["type"] == "call_ended" and event["reason"] == "the server was killed"
    ]


def check_metrics(page: str) -> None:
    live = re.findall(r'^voicestt_calls_live\{worker="(\d)"\}', page, re.MULTILINE)
    assert sorted(live) == ["1", "2"], page[:2_000]
    assert 'voicestt_workers{phase="ready"} 2.0' in page
    assert len(re.findall(r'^process_cpu_seconds_total\{worker="\d"\}', page, re.MULTILINE)) == 2


@contextlib.contextmanager
def reloading_server(folder: Path, google_port: int, *options: str, **settings: str) -> Iterator[Server]:
    """A server with `options`, its variables in a file that it can read again."""
    services = Services(folder, google_port=google_port)
    file = folder / "env"
    file.write_text("GREETING=off\n")
    environment = services.server_environment() | settings | {"VOICESTT_ENV_FILE": str(file)}
    command = [*services.server_command(), *options]
    log = folder / "server.log"
    with reserved(services.server_port), running(command, environment, folder, log) as process:
        server = Server(services, process, log, environment)
        server.wait_for("is ready.")
        yield server


def test_new_workers_take_over_and_a_live_call_is_not_hung_up_on(tmp_path: Path) -> None:
    options = "--reload", "--metrics", f"unix:{tmp_path}/metrics"
    with (
        scripted_google(SCRIPT) as google,
        reloading_server(tmp_path, google.port, *options, SHUTDOWN_SECONDS="3600") as server,
        TwilioLine(server.target) as old,
    ):
        half_said(old, 51)
        server.wait_for("Call started")
        (tmp_path / "env").write_text("GREETING=off\nHANDLER=nowhere.at_all:Handler\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("the reload is given up")
        assert by_worker(server) == {"1": 1}

        (tmp_path / "env").write_text("GREETING=off\nSTT_PARTIAL_DEBOUNCE_MS=77\nWEB_CONCURRENCY=2\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("The new workers are ready")
        server.wait_for("STT_PARTIAL_DEBOUNCE_MS=77", 2)
        server.wait_for("Stopping: no new calls. 1 live calls may go on")
        with TwilioLine(server.target) as new:
            half_said(new, 52)
            server.wait_for("Call started", 2)
            shares = by_worker(server)
            assert shares.pop("1") == 1, "the old worker goes on with its call"
            page = metrics_inside(tmp_path / "metrics")
            assert 'voicestt_workers{phase="leaving"} 1.0' in page
            assert 'voicestt_calls_live{worker="1"} 1.0' in page
            assert sorted(shares.values()) == [0, 1]
            assert is_alive(old)
            old.hang_up()
            server.wait_for("Worker 1 is gone")
            assert server.texts("final", old.sids.call) == ["one 51 three four"]
            assert is_alive(new)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) in ENDED_AS_ASKED
        assert "Traceback" not in server.output


def test_a_server_whose_workers_cannot_start_ends_with_an_error(tmp_path: Path) -> None:
    services = Services(tmp_path)
    with reserved(services.server_port) as taken:
        taken.listen()
        command = [*services.server_command(), "--workers", "2"]
        with running(command, services.server_environment(), tmp_path, tmp_path / "log") as process:
            assert process.wait(30) == 1
        assert "The server could not start" in (tmp_path / "log").read_text()
