"""How much work a call is: N simulated calls at once against the real server, and nothing may get lost.

    python tests/bench/load.py --calls 20 100 --seconds 20

For every N: a local Google service (scripted, so that its own work is small) and the server are started as
processes, N callers talk in real time, and a row of a table says what it cost the server and how it served.
"""

import argparse
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started as a file, `tests` is not on the path

from tests.bench.raw_calls import SLOTS, RawCall, open_call, talk, tell_status
from voicestt.demo.services import PUBLIC_HOST, Services
from voicestt.simulator.call_values import Target
from voicestt.simulator.pacing import FRAME_SECONDS

WARM_UP_FRAMES = 150
SPOKEN_FROM, SPOKEN_TO, ROUND = 0.5, 2.5, 4.0
WORDS = ("{key}", "{round}", "three", "four", "five", "six", "seven", "eight")
FINAL_DELAY = 0.5
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used and holds: CPU seconds, resident megabytes, threads; `at` is monotonic."""

    at: float
    cpu: float
    rss_mb: float
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Read from /proc."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        cpu = (int(fields[11]) + int(fields[12])) / TICKS
        return cls(time.monotonic(), cpu, int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]))


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


# -- the processes


def script() -> dict[str, Any]:
    """Eight words every four seconds, the first of them the call's own name."""
    utterance = {"text": " ".join(WORDS), "start": SPOKEN_FROM, "end": SPOKEN_TO}
    return {"utterances": [utterance], "repeat": ROUND, "final_delay": FINAL_DELAY, "quirks": False}


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process, ended in any case."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(what: str, process: subprocess.Popen[bytes], log: Path, ready: Any) -> None:
    """Until `ready()`; an early death is told with the process's last words."""
    give_up = time.monotonic() + 60
    while not ready():
        if process.poll() is not None or time.monotonic() > give_up:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise SystemExit(f"{what} did not start (exit code {process.poll()}). Its last lines:\n{last}")
        time.sleep(0.1)


def healthy(services: Services) -> bool:
    """Whether the server answers."""
    try:
        return probe_once(services.server_port) is not None
    except OSError:
        return False


# -- how it answers others meanwhile


def probe_once(port: int) -> float | None:
    """Seconds until GET /healthz was answered on a new connection; None when it was not 200."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request("GET", "/healthz", headers={"Host": PUBLIC_HOST})
        answer = connection.getresponse()
        answer.read()
        return time.monotonic() - began if answer.status == 200 else None
    finally:
        connection.close()


def probe(port: int, seconds: float) -> None:
    """The prober's process: ten questions a second, their answer times as JSON on stdout."""
    times: list[float | None] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        times.append(probe_once(port))
        time.sleep(0.1)
    print(json.dumps(times))


# -- what arrived


def json_lines(path: Path) -> list[dict[str, Any]]:
    """A file of JSON lines; an empty list when it does not exist."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def byte_faults(calls: list[RawCall], streams: list[dict[str, Any]]) -> list[str]:
    """For every call whose audio did not arrive as it was sent: what is wrong with it."""
    by_hash = {stream["sha256"]: stream for stream in streams}
    by_key = {text.split()[0]: stream for stream in streams for text in stream["finals"]}
    faults = []
    for call in calls:
        if call.sha256 in by_hash:
            continue
        stream = by_key.get(call.key)
        if stream is None:
            faults.append(f"call {call.number}: no stream has it")
        else:
            difference = stream["audio_bytes"] - call.pcm_bytes
            faults.append(
                f"call {call.number}: {difference:+d} bytes"
                if difference
                else f"call {call.number}: bytes misplaced"
            )
    return faults


@dataclass(slots=True)
class Heard:
    """What the server handed on. Lags are seconds after the frame that made it known; strays are words that
    came in another's call.
    """

    partials: int = 0
    finals: int = 0
    strays: int = 0
    partial_lags: list[float] = field(default_factory=list)
    final_lags: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)

    def add(self, key: str, begins: float, events: list[dict[str, Any]]) -> None:
        """Compares one call's events with the script: when each first partial and final could be known."""
        rounds, previous = 0, None
        for event in events:
            said, at = begins - FRAME_SECONDS + rounds * ROUND, event["t"]  # a frame goes out when it begins
            self.strays += event["text"].split()[0] != key
            if event["kind"] == "final":
                self.finals += 1
                self.final_lags.append(at - (said + SPOKEN_TO + FINAL_DELAY))
                rounds, previous = rounds + 1, None
                continue
            self.partials += 1
            if previous is None:
                self.partial_lags.append(at - (said + SPOKEN_FROM + (SPOKEN_TO - SPOKEN_FROM) / len(WORDS)))
            else:
                self.gaps.append(at - previous)
            previous = at


def heard(calls: list[RawCall], events: list[dict[str, Any]], start: float) -> Heard:
    """All calls' events together."""
    by_call: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        by_call[event["call"]].append(event)
    result = Heard()
    for index, call in enumerate(calls):
        result.add(call.key, start + (index % SLOTS) * 0.001, by_call[call.sids.call])
    return result


# -- one row


HEADINGS = (
    "calls", "CPU ms/call-s", "CPU %", "RSS MB", "threads", "partials", "finals", "partial lag p50/p95 ms",
    "final lag p50/p95 ms", "gap min ms", "healthz p50/p95/max ms", "latest frame ms", "faults",
)  # fmt: skip


@contextlib.contextmanager
def both_services(folder: Path) -> Iterator[tuple[Services, int]]:
    """The local Google service and the server, up; the number is the server's process id."""
    (folder / "script.json").write_text(json.dumps(script()))
    services = Services(folder, script=folder / "script.json")
    google_log, server_log = folder / "google.log", folder / "server.log"
    environment = dict(os.environ) | {"PYTHONUNBUFFERED": "1"}
    with running(services.google_command(), environment, google_log) as google:
        wait_for(
            "The local Google service", google, google_log, lambda: b"listening on" in google_log.read_bytes()
        )
        with running(services.server_command(), services.server_environment(), server_log) as server:
            wait_for("The server", server, server_log, lambda: healthy(services))
            yield services, server.pid


def run(count: int, seconds: float, folder: Path) -> tuple[list[str], list[str]]:
    """One load: the row, and everything that went wrong."""
    used: list[Usage] = []
    with both_services(folder) as (services, server):
        target = Target(services.url, PUBLIC_HOST, services.auth_token)
        frames = round(seconds * 50)
        calls = [open_call(target, number, frames) for number in range(count)]
        prober = subprocess.Popen(
            [sys.executable, __file__, "--probe", str(services.server_port), "--seconds", str(seconds - 1)],
            stdout=subprocess.PIPE,
        )

        def note() -> None:
            used.append(Usage.of(server))

        times = talk(calls, {min(WARM_UP_FRAMES, frames // 2): note, frames - 1: note})
        for call in calls:
            tell_status(target, call.stream, call.sids, "stream-stopped")
        answers = json.loads(prober.communicate()[0])
        time.sleep(1)
    return row(services, calls, used, times, answers)


def row(
    services: Services,
    calls: list[RawCall],
    used: list[Usage],
    times: tuple[float, float],
    answers: list[float | None],
) -> tuple[list[str], list[str]]:
    """The figures of one load as text, and its faults in words."""
    before, after = used
    start, latest = times
    cpu, wall = after.cpu - before.cpu, after.at - before.at
    words = heard(calls, json_lines(services.events_file), start)
    faults = byte_faults(calls, json_lines(services.streams_file))
    faults += [f"call {call.number}: closed with {call.close_code}" for call in calls if call.close_code != 1000]
    faults += [f"{words.strays} results in the wrong call"] if words.strays else []
    faults += ["a probe was refused"] if None in answers else []
    waits = [answer for answer in answers if answer is not None]
    cells = [
        str(len(calls)),
        f"{1000 * cpu / wall / len(calls):.2f}",
        f"{100 * cpu / wall:.0f}",
        f"{after.rss_mb:.0f}",
        str(after.threads),
        f"{words.partials / len(calls):.1f}",
        f"{words.finals / len(calls):.1f}",
        milliseconds(words.partial_lags, 0.5, 0.95),
        milliseconds(words.final_lags, 0.5, 0.95),
        milliseconds(words.gaps, 0.0),
        milliseconds(waits, 0.5, 0.95, 1.0),
        f"{1000 * latest:.0f}",
        str(len(faults)),
    ]
    return cells, faults


def milliseconds(values: list[float], *shares: float) -> str:
    """Percentiles as text."""
    return "/".join(f"{1000 * percentile(values, share):.0f}" for share in shares)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="CPU per call-second, and no byte lost.")
    parser.add_argument("--calls", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--keep", type=Path, help="A folder to leave logs and records in.")
    parser.add_argument("--probe", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe:
        probe(options.probe, options.seconds)
        return 0
    print(" | ".join(HEADINGS), flush=True)
    all_faults: list[str] = []
    for count in options.calls:
        with tempfile.TemporaryDirectory() as temporary:
            folder = options.keep / str(count) if options.keep else Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            cells, faults = run(count, options.seconds, folder)
        print(" | ".join(cells), flush=True)
        all_faults += faults
    print("\n".join(all_faults) or "Every byte of every call arrived once and in its place.")
    return 1 if all_faults else 0


if __name__ == "__main__":
    sys.exit(main())
