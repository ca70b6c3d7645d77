from typing import Any

from prometheus_client.exposition import generate_latest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from voicestt.server.siblings import KEPT_SECONDS, MetricsOfAll, Siblings, health_of_all

CREW = {
    "wanted": 2,
    "restarts": 1,
    "reloading": False,
    "phases": {"1": "ready", "2": "ready"},
    "pids": {"1": 11, "2": 12},
}


def answer(status: str = "ok", live: int = 3, **more: object) -> dict[str, Any]:
    delays = {"count": live, "p50": 1.0 * live, "p99": 9.0 * live, "max": None}
    return {
        "status": status,
        "reasons": [] if status == "ok" else [f"it is {status}"],
        "version": "1",
        "live_calls": live,
        "busy": None,
        "figures": {"final_delay_ms": delays, "retained_bytes_peak": live},
        "last_minute": {"lost_seconds": 0.5},
        "journal": {"is_written": True, "why": None},
        **more,
    }


def health(one: Any, two: Any, crew: Any = CREW) -> dict[str, Any]:
    return health_of_all(answer(), {"workers": {"1": one, "2": two}, "crew": crew}, "1")


def test_what_counts_is_added_and_of_delays_the_worst_is_shown() -> None:
    both = health(answer(live=3), answer(live=5))
    assert both["status"] == "ok"
    assert both["live_calls"] == 8
    assert both["figures"]["final_delay_ms"] == {"count": 8, "p50": 5.0, "p99": 45.0, "max": None}
    assert both["figures"]["retained_bytes_peak"] == 5
    assert both["last_minute"]["lost_seconds"] == 1.0
    assert both["version"] == "1"
    assert both["journal"] == {"is_written": True, "why": None}
    assert [each["live_calls"] for each in both["workers"].values()] == [3, 5]
    assert both["workers"]["2"]["phase"] == "ready"


def test_the_worst_status_is_that_of_all_and_each_reason_has_a_name() -> None:
    both = health(answer("degraded"), answer("failing"))
    assert both["status"] == "failing"
    assert both["reasons"] == ["worker 1: it is degraded", "worker 2: it is failing"]


def test_one_that_stops_is_no_service_that_stops() -> None:
    assert health(answer(), answer("stopping"))["status"] == "ok"
    assert health(answer("stopping"), answer("stopping"))["status"] == "stopping"


def test_new_calls_are_refused_where_every_worker_refuses_them() -> None:
    assert health(answer(busy="full"), answer())["busy"] is None
    assert health(answer(busy="full"), answer(busy="late"))["busy"] == "full"


def test_what_is_missing_is_said() -> None:
    one_is_away = health(answer(), None)
    assert one_is_away["status"] == "degraded"
    assert one_is_away["reasons"] == ["worker 2 does not answer"]
    one_starts = health(answer(), answer(), {**CREW, "phases": {"1": "ready", "2": "starting"}})
    assert one_starts["reasons"] == ["1 of 2 workers are not ready"]


def test_without_the_supervisor_a_worker_speaks_for_itself() -> None:
    alone: Any = health_of_all(answer(), {}, "1")
    assert alone["status"] == "degraded"
    assert "the supervisor does not answer" in alone["reasons"][0]
    assert list(alone["workers"]) == ["1"]


def test_every_sample_has_its_workers_name_and_a_family_stands_once() -> None:
    def family(value: float | None) -> list[Any]:
        return [["voicestt_calls", "Calls.", "counter", [["voicestt_calls_total", {"how": "x"}, value]]]]

    text = generate_latest(
        MetricsOfAll({"workers": {"1": family(2.0), "2": family(None), "3": None}, "crew": CREW})
    )
    lines = text.decode().splitlines()
    assert 'voicestt_calls_total{how="x",worker="1"} 2.0' in lines
    assert 'voicestt_calls_total{how="x",worker="2"} NaN' in lines
    assert lines.count("# HELP voicestt_calls_total Calls.") == 1
    assert 'voicestt_workers{phase="ready"} 2.0' in lines
    assert "voicestt_worker_restarts_total 1.0" in lines


class _Link:
    name = "1"

    def __init__(self) -> None:
        self.asked: list[Deferred[Any]] = []

    def ask_all(self, _what: str, _seconds: float) -> "Deferred[Any]":
        self.asked.append(Deferred())
        return self.asked[-1]


def test_those_who_ask_at_once_cost_one_question() -> None:
    link: Any = _Link()
    clock: Any = Clock()
    siblings = Siblings(clock, link)
    found: list[Any] = []
    gone = siblings.health(answer())
    gone.addErrback(lambda _cancelled: None)
    gone.cancel()
    for _ in range(3):
        siblings.health(answer()).addCallback(found.append)
    link.asked[0].callback({"workers": {"1": answer(), "2": answer()}, "crew": CREW})
    siblings.health(answer()).addCallback(found.append)
    assert [each["live_calls"] for each in found] == [6] * 4
    assert len(link.asked) == 1
    clock.advance(KEPT_SECONDS)
    siblings.health(answer()).addCallback(found.append)
    assert len(link.asked) == 2
