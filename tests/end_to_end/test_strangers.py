"""Bodies of megabytes from strangers, over real sockets, beside live calls that notice nothing of it."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench import abuse
from tests.bench.health import health
from voicestt.ops.load.own_server import Server, own_server
from voicestt.ops.load.run import load

ATTACKS: tuple[abuse.Attack, ...] = (abuse.multipart, abuse.form, abuse.chunks)
SECONDS = 6.0
PAUSE = 0.05


def held(server: Server, what: str) -> float:
    """The server's memory, in MB: VmRSS now, VmHWM at most."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    (kilobytes,) = re.findall(rf"{what}:\s+(\d+)", status)
    return int(kilobytes) / 1_024


def attacked(server: Server, until: float) -> list[str]:
    """The answers to strangers who do nothing else, one attack after the other and from the beginning again."""
    got = list[str]()
    while time.monotonic() < until:
        for attack in ATTACKS:
            got.append(attack(server, until))
            time.sleep(PAUSE)
    return got


def test_great_bodies_are_413_at_once_and_cost_live_calls_nothing(tmp_path: Path) -> None:
    with own_server(tmp_path) as server, ThreadPoolExecutor() as threads:
        load(server, 3, 1.0)
        before = held(server, "VmRSS")
        attacking = threads.submit(attacked, server, time.monotonic() + SECONDS)
        figures = load(server, 3, SECONDS + 1.0)
        got = attacking.result()
        grown = held(server, "VmHWM") - before
        lag = health(server)["figures"]["reactor_lag_ms"]["max"]
    assert figures.faults == ()
    assert len(got) >= 2 * len(ATTACKS)
    sent = [float(each.split()[-2]) for each in got]
    assert max(sent) < 10, "MB are what the sockets' buffers take"
    answered = [each for each in got if each.startswith("HTTP/1.1 413")]
    cut = [each for each in got if each.startswith("cut")]  # the system may drop an answer that was not read yet
    assert len(answered) + len(cut) == len(got), got
    assert len(answered) > len(got) / 2, got
    assert grown < 60, f"{grown:.0f} MB"
    assert lag < 1_000, "8 MB of multipart took 2.6 s once"
