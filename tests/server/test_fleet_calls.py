"""Calls whose webhook and socket meet different processes: what the socket waits for, and what it gets."""

from urllib.parse import urlencode

import pytest
from redis import Redis
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.fleet.conftest import fleet_redis, redis_client
from tests.fleet.simulated import SimulatedLink, SimulatedRedis
from tests.server.in_memory import CONNECTED, NOW, Answer, Bytes, Joined, Media, Server, media, start
from tests.server.test_returns import verbs
from tests.server.test_routes import FORM as ANNOUNCED
from tests.server.test_routes import INCOMING, STATUS, post, signed
from voicestt.call.facts import CallEnded, CallStarted
from voicestt.fleet.call_leases import WAIT_SECONDS
from voicestt.server.call_registry import EXPECTED_SECONDS
from voicestt.server.fleet_calls import REPLACED
from voicestt.twilio.returning import Return

__all__ = ["fleet_redis", "redis_client"]  # fixtures

REFUSED = 4003
CALL = "CA1"
FORM = {**ANNOUNCED, "CallSid": CALL, "AccountSid": "AC1"}
BACK = f"{INCOMING}?{Return(1, int(NOW)).query}"


class TwoServers:
    """Two whole servers with a Redis in common; `delay` is what everything to and from it takes."""

    def __init__(self, clock: Clock, client: Redis, **variables: str) -> None:
        self.clock = clock
        self.delay = 0.0
        redis = SimulatedRedis(client, clock)
        self.one, self.two = (self._server(redis, name, variables) for name in ("h:1:a", "h:2:b"))
        self.go()

    def _server(self, redis: SimulatedRedis, name: str, variables: dict[str, str]) -> Server:
        class Joined(Server):
            link = SimulatedLink(self.clock, redis, name, lambda: self.delay)

        made = Joined(self.clock, **variables)
        assert made.streams is not None
        made.streams.directory.start()
        return made

    def go(self, seconds: float = 0.0) -> None:
        for _ in range(6):
            self.clock.advance(0)
        self.clock.advance(seconds)
        for _ in range(6):
            self.clock.advance(0)

    def talks(self, server: Server, *messages: bytes, call: str = CALL) -> Media:
        joined = server.join()
        joined.say(CONNECTED, start(call), *messages)
        self.go()
        joined.flush()
        return joined

    def comes_back(self, server: Server) -> bytes:
        """The webhook's answer, which waits for Redis."""
        body = urlencode(FORM).encode()
        headers = {**signed(BACK, FORM), "Content-Type": "application/x-www-form-urlencoded"}
        lines = [f"POST {BACK} HTTP/1.1", "Host: x", *(f"{name}: {value!s}" for name, value in headers.items())]
        joined = Joined(server.site, Bytes(), self.clock)
        joined.client.transport.write(
            "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
        )
        joined.flush()
        self.go(WAIT_SECONDS)
        joined.flush()
        return Answer("POST", joined.client.received).body


@pytest.fixture
def servers(autobahn_clock: Clock, redis_client: Redis) -> TwoServers:
    return TwoServers(autobahn_clock, redis_client)


@pytest.fixture
def strict(autobahn_clock: Clock, redis_client: Redis) -> TwoServers:
    return TwoServers(autobahn_clock, redis_client, REQUIRE_KNOWN_CALL="true")


def begun(server: Server) -> list[CallStarted]:
    return [event for event in server.observer.events if isinstance(event, CallStarted)]


def reasons(server: Server) -> list[str]:
    return [event.reason for event in server.observer.events if isinstance(event, CallEnded)]


def test_from_and_to_come_from_the_process_that_answered_the_webhook(strict: TwoServers) -> None:
    assert post(strict.one, INCOMING, FORM).status == 200
    strict.go()
    strict.talks(strict.two, media())
    (call,) = begun(strict.two)
    assert (call.call.caller, call.call.called) == (FORM["From"], FORM["To"])


def test_a_slow_redis_holds_a_call_for_a_fifth_of_a_second_and_no_frame_is_lost(servers: TwoServers) -> None:
    post(servers.one, INCOMING, FORM)
    servers.go()
    servers.delay = 10.0
    joined = servers.talks(servers.two, *[media()] * 5)
    assert begun(servers.two) == []
    joined.say(*[media()] * 5)
    servers.go(WAIT_SECONDS)
    joined.flush()
    (call,) = begun(servers.two)
    assert call.call.caller is None
    assert len(servers.two.recogniser.session.audio) == 1_200  # a batch; the rest waits for the next


def test_a_call_announced_here_waits_for_nothing(servers: TwoServers) -> None:
    post(servers.one, INCOMING, FORM)
    servers.go()
    servers.delay = 10.0
    servers.talks(servers.one)
    assert len(begun(servers.one)) == 1


def test_an_old_announcement_here_is_not_believed_as_the_call_may_have_come_back_elsewhere(
    servers: TwoServers,
) -> None:
    post(servers.one, INCOMING, FORM)
    servers.go(EXPECTED_SECONDS + 1)
    servers.delay = 10.0
    servers.talks(servers.one)
    assert begun(servers.one) == []
    servers.go(WAIT_SECONDS)
    assert len(begun(servers.one)) == 1


def test_without_redis_a_call_that_nobody_here_announced_is_taken(strict: TwoServers, logged: Logged) -> None:
    for server in (strict.one, strict.two):
        server.link.cut()  # type: ignore[attr-defined]
    strict.talks(strict.two)
    assert len(begun(strict.two)) == 1
    assert len(logged.matching("Redis did not say within 200 ms")) == 1


def test_what_no_webhook_in_the_fleet_announced_or_another_socket_used_is_refused(
    strict: TwoServers, logged: Logged
) -> None:
    assert strict.talks(strict.two).client.closed is not None
    post(strict.one, INCOMING, FORM)
    strict.go()
    strict.talks(strict.two)
    replayed = strict.talks(strict.one)
    assert replayed.client.closed is not None
    assert replayed.client.closed[1] == REFUSED
    assert logged.matching("this CallSid has a live stream in the fleet already")
    assert len(begun(strict.two)) == 1
    assert begun(strict.one) == []
    assert logged.matching("no webhook in the fleet announced this CallSid")


def test_a_later_stream_takes_the_call_over_and_the_older_one_ends_in_its_own_process(
    servers: TwoServers, logged: Logged
) -> None:
    first = servers.talks(servers.one, media())
    second = servers.talks(servers.two, media())
    first.flush()
    servers.go(30)
    assert reasons(servers.one) == [REPLACED]
    assert first.client.closed is not None
    assert second.client.closed is None
    assert len(logged.matching("a later one of the same call has come in the fleet")) == 1
    assert logged.matching("Two sockets say") == []


def test_the_same_within_one_process(servers: TwoServers) -> None:
    first = servers.talks(servers.one, media())
    second = servers.talks(servers.one, media())
    first.flush()
    servers.go(30)
    assert reasons(servers.one) == [REPLACED]
    assert second.client.closed is None


def test_a_full_server_refuses_a_call_that_another_has_announced(
    autobahn_clock: Clock, redis_client: Redis
) -> None:
    full = TwoServers(autobahn_clock, redis_client, MAX_CALLS="1")
    full.talks(full.two, call="CA-other")
    post(full.one, INCOMING, FORM)
    full.go()
    assert full.talks(full.two).client.closed is not None
    assert full.two.calls.admission.refused == 1


def test_a_call_that_another_process_hung_up_on_ends_when_it_comes_back(servers: TwoServers) -> None:
    servers.one.registry.note_hang_up(CALL)
    servers.go()
    assert verbs(servers.comes_back(servers.two)) == ["Hangup"]


def test_a_call_that_comes_back_is_answered_though_redis_hangs(servers: TwoServers) -> None:
    servers.delay = 10.0
    assert verbs(servers.comes_back(servers.two)) == ["Connect"]


def test_a_status_is_found_in_the_process_that_has_the_call(servers: TwoServers) -> None:
    servers.talks(servers.two)
    post(servers.one, STATUS, {"CallSid": CALL, "StreamEvent": "stream-started"})
    servers.go()
    assert servers.two.registry.find(CALL).statuses == ["stream-started"]
