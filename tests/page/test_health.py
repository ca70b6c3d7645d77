from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from tests.page.in_memory import VIEW_PASSWORD, PageServer, error_of
from tests.recognisers.on_reactor import on_reactor
from tests.server.fakes import CALL
from voicestt.call.facts import CallStarted
from voicestt.page.health_api import HealthApi
from voicestt.page.visit import Role, Visit
from voicestt.runtime.metrics import ProcessMetrics
from voicestt.server.minute_history import MINUTES_OF_A_DAY
from voicestt.server.siblings import Siblings


def a_minute(delay: float = 0.004) -> ProcessMetrics:
    minute = ProcessMetrics()
    minute.added.record(delay)
    minute.lag.record(0.002)
    minute.incidents.update({"rotated": 2, "restarted": 1, "degraded": 1})
    minute.counts["lost_bytes",] = 4_000
    return minute


def test_the_last_hour_is_plotted_by_the_minute(server: PageServer, clock: Clock) -> None:
    clock.advance(60)
    server.history.minute_over(a_minute())
    clock.advance(60)
    server.history.minute_over(ProcessMetrics())
    health = server.browser(VIEW_PASSWORD).json("/page/api/health")
    assert (health["span"], health["now"]["status"], health["now"]["feed"]["listeners"]) == ("hour", "ok", 0)
    first, second = health["minutes"]
    assert first["at"] == "2027-01-15T08:01:00.000Z"
    assert (first["calls"], first["rotations"], first["failures"], first["lost_seconds"]) == (0, 2, 2, 0.5)
    assert first["delay_p50"] == pytest.approx(4, rel=0.05)
    assert first["reactor_lag_ms"] == pytest.approx(2, rel=0.1)
    assert (second["delay_p99"], second["reactor_lag_ms"], second["cost"]) == (None, None, 0)
    assert health["destinations"] == []


def test_a_day_is_kept_and_no_more(server: PageServer) -> None:
    for _ in range(MINUTES_OF_A_DAY + 5):
        server.history.minute_over(ProcessMetrics())
    browser = server.browser()
    assert len(browser.json("/page/api/health?span=day")["minutes"]) == MINUTES_OF_A_DAY
    assert len(browser.json("/page/api/health?span=hour")["minutes"]) == 60
    assert browser.get("/page/api/health?span=year").status == 400


@pytest.mark.parametrize(
    ("variables", "cost"),
    [({}, 0.024), ({"GCP_STT_API": "v2", "GCP_PROJECT": "p"}, 0.016), ({"GCP_STT_PRICE": "1"}, 1)],
)
def test_what_google_costs_is_reckoned_by_its_price(clock: Clock, variables: dict[str, str], cost: float) -> None:
    server = PageServer(clock, None, **variables)
    spent = replace(server.calls.audio, handed=60 * 8_000, streams=3)
    type(server.calls).audio, audio = property(lambda _self: spent), type(server.calls).audio  # type: ignore[method-assign, assignment]
    try:
        server.history.minute_over(ProcessMetrics())
    finally:
        type(server.calls).audio = audio  # type: ignore[method-assign]
    (minute,) = server.browser().json("/page/api/health")["minutes"]
    assert (minute["google_seconds"], minute["streams"], minute["cost"]) == (60, 3, cost)


def test_the_flag_is_shown_and_turned_and_says_who_is_moved(server: PageServer) -> None:
    server.active.tell(CallStarted(CALL))
    browser = server.browser()
    assert browser.json("/page/api/flag") == {
        "streaming": True,
        "calls": 1,
        "streaming_calls": 1,
        "single_shot_calls": 0,
        "processes": 1,
        "ordered": "",
    }
    for body in ({}, {"streaming": "false"}, {"streaming": 0}):
        assert browser.post("/page/api/flag", body).status == 400
    answer = browser.post("/page/api/flag", {"streaming": False})
    assert answer.status == 200
    assert b'"moved": 0' in answer.body  # the call has not told yet that it has left
    assert browser.json("/page/api/flag")["streaming"] is False
    assert browser.json("/page/api/session")["streaming"] is False
    server.active.tell(CallStarted(replace(CALL, call_sid="CA2")))
    assert b'"moved": 1' in browser.post("/page/api/flag", {"streaming": True}).body
    assert browser.post("/page/api/flag", {"streaming": False}).status == 200
    assert b'"moved": 0' in browser.post("/page/api/flag", {"streaming": False}).body


def test_without_a_fleet_there_is_none_to_show(server: PageServer) -> None:
    answer = server.browser().get("/page/api/fleet")
    assert (answer.status, "works alone" in error_of(answer)) == (404, True)


@on_reactor
async def test_a_worker_s_page_says_how_all_workers_are(server: PageServer) -> None:
    class Link:
        name = "1"

        def ask_all(self, _what: str, _seconds: float = 1.0) -> Any:
            one = {**server.report.json, "feed": {}}
            other = {**one, "status": "failing", "reasons": ["words were lost"], "live_calls": 7}
            crew = {"wanted": 2, "phases": {"1": "ready", "2": "ready"}}
            return succeed({"workers": {"1": one, "2": other}, "crew": crew})

    link: Any = Link()
    siblings = Siblings(server.clock, link)
    api = HealthApi(server.report, server.history, server.pipeline, 0.0, server.now, siblings)
    nobody: Any = None
    (endpoint,) = api.endpoints
    answer: Any = await endpoint.answer(Visit(nobody, Role.VIEW, "", 0.0))
    now = answer["now"]
    assert (now["status"], now["reasons"], now["live_calls"]) == ("failing", ["worker 2: words were lost"], 7)
