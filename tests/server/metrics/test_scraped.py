"""The metrics of a whole server, scraped by Debian's prometheus, with the rules and dashboard of deploy/."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tests.conftest import Logged
from tests.prometheus import Prometheus, promtool
from tests.recognisers.on_reactor import on_reactor, reactor
from tests.server.fakes import settings_of
from tests.server.in_memory import CONNECTED, STOP, start
from tests.server.test_service import (
    ON_LOOPBACK,
    OneOf,
    ask,
    frames,
    get,
    google,
    join,
    say,
    until,
)
from voicestt.emulators.google.service import LocalGoogle
from voicestt.handler import Call
from voicestt.server.service import VoiceService

__all__ = ["google"]  # a fixture

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "voicestt.json"
TOKEN = "s3cret-of-metrics"
BEARER = f"Authorization: Bearer {TOKEN}"
OPENMETRICS = "Accept: application/openmetrics-text; version=1.0.0"
CALL_SID = "CA" + "7" * 32


class Silent:
    """An application that does nothing."""

    async def on_call_started(self, call: Call) -> None:
        """Do nothing."""


@pytest.fixture
def server(google: LocalGoogle, tmp_path: Path) -> Iterator[OneOf]:
    """A server with everything that has metrics, and an address of their own."""
    settings = settings_of(
        GCP_STT_ENDPOINT=google.target,
        GCP_STT_INSECURE="true",
        GCP_STT_MODEL="default",
        ENABLE_STREAMING_STT="true",
        METRICS_TOKEN=TOKEN,
        HANDLER=f"{__name__}:Silent",
        JOURNAL_URL=f"sqlite:///{tmp_path}/journal.db",
        EVENTS_FILE=str(tmp_path / "events"),
        EVENTS_WEBHOOK_URL="http://127.0.0.1:9/",
        EVENTS_WEBHOOK_SECRET="whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
        VOICESTT_SOCKET=str(tmp_path / "control"),
        RECORD="both",
        RECORD_DIR=str(tmp_path / "recordings"),
        FLEET_REDIS_URL="redis://127.0.0.1:9/0",
        GCP_STT_STREAMS="100",
    )
    service = VoiceService(reactor, settings, ON_LOOPBACK, metrics_endpoint=ON_LOOPBACK[0])
    one = OneOf(service, tmp_path / "events")
    yield one
    pytest_twisted.blockon(Deferred.fromCoroutine(one.stop()))


async def started(server: OneOf) -> tuple[int, int]:
    """The ports of the server and of its metrics."""
    port = await server.start()
    await until(lambda: len(server.service.addresses) == 2)
    return port, server.service.addresses[1].port


async def call(port: int, logged: Logged) -> None:
    caller = await join(port)
    say(caller, CONNECTED, start(CALL_SID), *frames(7), STOP)
    await until(lambda: logged.matching("Call ended"))


def metrics_in(text: str) -> set[str]:
    """The names of the metrics that a rule, a dashboard or a page speaks of."""
    return set(re.findall(r"\b(?:voicestt|process)_[a-z_]*[a-z]\b", text)) - {"process_"}


async def samples(port: int) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All that is shown now, read by prometheus_client's own strict parser."""
    answer = await ask(port, "GET", "/metrics", BEARER, OPENMETRICS)
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, "application/openmetrics-text")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
    }


@on_reactor
async def test_prometheus_itself_scrapes_a_call_and_knows_every_rule_and_every_metric_of_the_dashboard(
    server: OneOf, tmp_path: Path, logged: Logged
) -> None:
    port, metrics_port = await started(server)
    await call(port, logged)

    def scrape() -> tuple[set[str], list[str]]:
        with Prometheus(tmp_path, f"127.0.0.1:{metrics_port}", TOKEN, [RULES]) as prometheus:
            assert prometheus.until("up") == 1
            assert prometheus.until("voicestt_calls_taken_total") == 1
            assert prometheus.until('voicestt_calls_ended_total{reason="stop"}') == 1
            assert prometheus.until('voicestt_finals_total{recogniser="google-streaming"}') == 2
            assert prometheus.until("voicestt_final_delay_seconds_count") == 2
            assert prometheus.until('voicestt_final_delay_seconds_bucket{le="+Inf"}') == 2
            assert prometheus.until("voicestt_google_seconds_total") >= 3
            assert prometheus.until('voicestt_destination_up{destination="webhook"}', lambda up: up == 0) == 0
            assert prometheus.until('voicestt_status{status="degraded"}') == 1
            give_up = time.monotonic() + 20
            while True:
                groups = prometheus.ask("rules")["groups"]
                rules = [rule for group in groups for rule in group["rules"]]
                health = {rule["health"] for rule in rules}
                if health == {"ok"} or "err" in health or time.monotonic() > give_up:
                    break
                time.sleep(0.2)
            return set(prometheus.ask("label/__name__/values")), sorted(
                f"{rule['name']}: {rule['health']}" for rule in rules if rule["health"] != "ok"
            )

    known, unhealthy = await deferToThread(scrape)
    assert unhealthy == []
    spoken_of = metrics_in(RULES.read_text()) | metrics_in(DASHBOARD.read_text())
    assert sorted(spoken_of - known) == []


@on_reactor
async def test_the_page_has_nothing_of_a_call_and_promtool_finds_nothing_to_complain_of(
    server: OneOf, logged: Logged
) -> None:
    port, _ = await started(server)
    await call(port, logged)
    page = (await ask(port, "GET", "/metrics", BEARER)).body.decode()
    assert CALL_SID not in page
    assert "MZ1" not in page
    assert await deferToThread(lambda: promtool("check", "metrics", text=page)) == ""
    found = await samples(port)
    assert found["voicestt_calls_live", frozenset()] == 0
    assert found["voicestt_streams_open", frozenset()] == 0
    assert found["voicestt_streams_opened_total", frozenset()] >= 1
    received = found["voicestt_audio_received_seconds_total", frozenset()]
    outcomes = [value for (name, _), value in found.items() if name == "voicestt_audio_settled_seconds_total"]
    assert received == pytest.approx(3.0)
    assert sum(outcomes) == pytest.approx(received)
    assert found["voicestt_journal_write_delay_seconds_count", frozenset()] >= 4
    shown = {name for name, _ in found if name.startswith("voicestt_")}
    listed = metrics_in((ROOT / "docs" / "monitoring.md").read_text())
    parts = re.compile(r"_(bucket|count|sum)$")
    assert {parts.sub("", name) if "seconds_" in name else name for name in shown} <= listed


@on_reactor
async def test_who_has_no_token_gets_nothing_on_either_address(server: OneOf, logged: Logged) -> None:
    port, metrics_port = await started(server)
    for each in (port, metrics_port):
        for headers in ([], ["Authorization: Bearer guessed"], ["Authorization: Basic czNjcmV0"]):
            answer = await ask(each, "GET", "/metrics", *headers)
            assert (answer.status, answer.body) == (401, b"The token is missing or wrong.\n")
            assert answer.headers["www-authenticate"] == 'Bearer realm="voicestt metrics"'
        assert (await get(each, f"/metrics?access_token={TOKEN}")).status == 401, "a URL is logged by proxies"
    assert (await get(metrics_port, "/healthz")).status == 404
    assert len(logged.matching("A reader of /metrics was refused with 401: its token is wrong.")) == 1
    found = await samples(metrics_port)
    assert found["voicestt_requests_refused_total", frozenset({("kind", "metrics_token")})] == 8
