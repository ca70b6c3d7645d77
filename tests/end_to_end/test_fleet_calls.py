"""Two processes and a Redis: webhook on one, socket on the other, and listeners of either hear of all calls."""

import http.client
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.end_to_end.chatter import SAID, chatted
from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.listeners import SETTINGS, Stream, stream
from tests.end_to_end.receivers import finals_of
from tests.end_to_end.rig import PATIENCE, Server, google_process, running_server, until
from tests.end_to_end.twilio_line import TwilioLine
from tests.redis_server import RedisServer
from voicestt.emulators.twilio.signatures import signature
from voicestt.ops.services import PUBLIC_HOST
from voicestt.twilio import twiml

CALLER, CALLED = "+972501234567", "+972771234567"
REFUSED = 4003


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), keeps=False) as server:
        yield server


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, redis: RedisServer) -> Iterator[list[Server]]:
    """Two processes with one journal, as on one machine; calls are taken only if a webhook announced them."""
    folder = tmp_path_factory.mktemp("fleet")
    with ExitStack() as stack:
        services = stack.enter_context(google_process(folder, SAID))
        shared = {"JOURNAL_URL": f"sqlite:///{folder}/shared.db", "FLEET_REDIS_URL": redis.url}
        servers = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            settings = {**SETTINGS, **shared, "REQUIRE_KNOWN_CALL": "true", "PARTIAL_DEBOUNCE_MS": "0"}
            servers.append(stack.enter_context(running_server(folder / name, services.google_port, **settings)))
        yield servers


def tell(server: Server, path: str, **form: str) -> int:
    """A signed request of Twilio's."""
    signed = signature(server.services.auth_token, f"https://{PUBLIC_HOST}{path}", form)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signed}
    connection.request("POST", path, urlencode(form), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def announce(server: Server, line: TwilioLine) -> None:
    sids = line.sids
    form = {"CallSid": sids.call, "AccountSid": sids.account, "From": CALLER, "To": CALLED}
    assert tell(server, twiml.INCOMING_CALL, **form) == 200


def says(line: TwilioLine, number: int) -> None:
    line.begin()
    line.speak(as_mulaw(speech(number, 1.5, (0.05, 1.5))))


def of_call(listener: Stream, call: str) -> list[dict[str, Any]]:
    return [event for event in listener.events if event["call_sid"] == call]


def test_a_call_is_one_in_the_whole_fleet_wherever_its_webhook_its_socket_and_its_listeners_are(
    both: list[Server], redis: RedisServer
) -> None:
    one, two = both
    with (
        stream(one) as listener,
        stream(one, "?scope=process") as local,
        TwilioLine(two.target) as line,
    ):
        announce(one, line)
        says(line, 81)
        call = line.sids.call
        until(lambda: len(finals_of(of_call(listener, call))) >= 2, "the other process's calls are heard")
        begun = of_call(listener, call)[0]
        assert (begun["type"], begun["from"], begun["to"]) == ("call_started", CALLER, CALLED)

        with TwilioLine(one.target, line.sids) as replayed, TwilioLine(one.target) as unknown:
            replayed.begin()
            assert replayed.close_code() == REFUSED
            unknown.begin()
            assert unknown.close_code() == REFUSED
        assert one.saying("this CallSid has a live stream in the fleet already")
        assert one.saying("no webhook in the fleet announced this CallSid")

        assert tell(one, twiml.STREAM_STATUS, CallSid=call, StreamEvent="stream-started") == 204
        line.hang_up()
        (ended,) = two.wait_for("Call ended:")
        assert "Twilio's statuses: stream-started" in ended
        until(lambda: of_call(listener, call)[-1]["type"] == "call_ended", "its end is heard")
        sequences = [event["sequence"] for event in of_call(listener, call)]
        assert sequences == list(range(1, len(sequences) + 1))
        assert local.events == []
    health = two.health()["fleet"]
    assert health["calls"] == {"claimed": 1, "unanswered": 0, "displaced": 0, "held": 0}
    assert health["live_events"]["sent"] == len(sequences)
    for server in both:
        assert CALLER not in server.output
        assert CALLED not in server.output
        assert "Traceback" not in server.output


def test_without_redis_calls_are_taken_and_listeners_get_what_they_missed_when_it_is_back(
    both: list[Server], redis: RedisServer
) -> None:
    one, two = both
    with stream(one) as listener:
        until(lambda: two.health()["fleet"]["processes"] == 2, "both are there")
        redis.kill()
        two.wait_for("joins this process to the fleet, does not answer")
        one.wait_for("joins this process to the fleet, does not answer")
        calls = chatted(two, range(2), 1.0)
        assert len(two.saying("Redis did not say within")) == 1
        assert finals_of(listener.events) == set()
        redis.start()
        written = {each["id"] for call in calls for each in two.journal(call.sids.call)}
        until(lambda: {event["id"] for event in listener.events} == written, "what was missed is heard")
        more = chatted(one, range(2, 3), 1.0) + chatted(two, range(3, 4), 1.0)
        names = {call.sids.call for call in more}
        until(lambda: names <= {event["call_sid"] for event in listener.events}, "new calls are heard live")
    assert one.saying("this process is in the fleet again")
