import json
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.journal.conftest import journals, url
from tests.journal.made import CALLED, CALLER, Call, Journals
from tests.recognisers.on_reactor import on_reactor
from tests.server.in_memory import Answer
from tests.server.listening import BEARER, SECRET, LiveServer, record
from voicestt.delivery.live.call_numbers import CallNumbers
from voicestt.delivery.live.tokens import BadTokenRequest, ScopedTokens
from voicestt.events import encode, type_of
from voicestt.journal import reading
from voicestt.journal.no_journal import NoJournal
from voicestt.journal.port import Filter, Record

__all__ = ["journals", "url"]  # fixtures


@pytest.fixture
def server(clock: Clock, autobahn_clock: Clock) -> LiveServer:
    del autobahn_clock
    return LiveServer(clock)


def wish(server: LiveServer, body: Any, headers: dict[str, str] | None = None) -> Answer:
    given: dict[str, str | bytes] = {**(BEARER if headers is None else headers)}
    return server.http("POST", "/tokens", given, body if isinstance(body, bytes) else json.dumps(body).encode())


def token(server: LiveServer, **wanted: Any) -> str:
    answer = wish(server, wanted)
    assert answer.status == 200
    text: str = json.loads(answer.body)["token"]
    return text


def start_of(number: int, call_sid: str, caller: str = CALLER) -> Record:
    event = Call(call_sid).started(caller=caller)
    return Record(number, f"S{call_sid}", 1, type_of(event), call_sid, encode(event))


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_a_token_for_a_call_opens_the_events_of_this_call_only(server: LiveServer) -> None:
    text = token(server, call="CA2", minutes=5)
    stream, all_of_it = server.listen(**bearer(text)), server.listen()
    socket = server.join_live(headers=bearer(text))
    server.write(record(1), record(2, call_sid="CA2"), record(3))
    assert (stream.numbers, all_of_it.numbers) == ([2], [1, 2, 3])
    socket.flush()
    assert [json.loads(message)["text"] for message in socket.client.messages] == ["2"]
    for query, status in (("?call=CA2", 200), ("?call=CA1", 403), ("?call=CA1&call=CA2", 403)):
        assert f" {status} " in server.listen(query, **bearer(text)).head.partition("\r")[0]


def test_a_token_for_a_number_opens_the_events_of_its_calls(server: LiveServer) -> None:
    server.write(start_of(1, "CA1"))
    text = token(server, number=CALLER, minutes=5)
    assert CALLER not in text
    stream = server.listen(**bearer(text))
    server.write(record(2), start_of(3, "CA2", "+15005550006"), record(4, call_sid="CA2"), start_of(5, "CA3"))
    server.write(record(6, call_sid="CA3"))
    assert stream.numbers == [2, 5, 6]
    called = server.listen(**bearer(token(server, number=CALLED, minutes=5)))
    server.write(record(7, call_sid="CA2"))
    assert called.numbers == [7]


def test_a_token_is_over_when_its_time_is(server: LiveServer, clock: Clock) -> None:
    text = token(server, call="CA1", minutes=1)
    stream, socket = server.listen(**bearer(text)), server.join_live(headers=bearer(text))
    for _ in range(12):
        clock.advance(5)
        socket.flush()
    assert b"event: expired" in stream.body
    assert stream.is_ended
    assert socket.client.closed is not None
    assert socket.client.closed[1] == 4001
    late = ScopedTokens(SECRET, now=lambda: 0.0).make("CA1", None, 30)[0]
    assert " 401 " in server.listen(**bearer(late)).head.partition("\r")[0]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_only_who_has_the_token_for_all_gets_one(server: LiveServer, headers: dict[str, str]) -> None:
    assert wish(server, {"call": "CA1"}, headers).status == 401
    assert server.http("POST", f"/tokens?access_token={SECRET}", {}, b'{"call":"CA1"}').status == 401
    assert wish(server, {"call": "CA1"}, bearer(token(server, call="CA1"))).status == 401


def test_without_events_token_there_are_none(clock: Clock) -> None:
    assert wish(LiveServer(clock, None), {"call": "CA1"}).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"call": "CA1", "number": "+1"},
        {"call": 5},
        {"call": ""},
        {"call": "x" * 65},
        {"number": "שלום"},
        {"call": "CA1", "minutes": 0},
        {"call": "CA1", "minutes": 1_441},
        {"call": "CA1", "minutes": True},
        {"call": "CA1", "minutes": "30"},
        [],
        b"",
        b"\xff",
        b"[" * 20_000,
    ],
)
def test_a_wish_that_cannot_be_fulfilled_is_400_in_words(server: LiveServer, body: Any) -> None:
    answer = wish(server, body)
    assert (answer.status, answer.body.endswith(b".\n")) == (400, True)


def test_a_token_is_for_one_call_or_one_number() -> None:
    tokens = ScopedTokens(SECRET)
    for call, number in ((None, None), ("CA1", "+1")):
        with pytest.raises(BadTokenRequest, match="one call or for one number"):
            tokens.make(call, number, 30)
    scope = tokens.read(tokens.make(None, "+1", 30)[0])
    assert scope is not None
    assert (scope.call, scope.number) == (None, "+1")
    assert 0 < tokens.seconds_left(scope) <= 1_800
    assert ScopedTokens("another").read(tokens.make("CA1", None, 30)[0]) is None


@pytest.mark.parametrize("few", [500, 1])
@on_reactor
async def test_the_journal_finds_the_events_of_a_number(
    journals: Journals, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_FEW_CALLS", few)  # beyond it, it is another query
    opened = await journals.open()
    first, second = Call("CA1"), Call("CA2")
    events = [first.started(), second.started(caller="+1"), first.final(), second.final(), first.partial()]
    written = await opened.write(*events)

    async def found(**wanted: Any) -> list[int]:
        page = await opened.journal.since(0, 100, Filter(**wanted))
        return [each.number - written[0].number for each in page.records]

    assert await found(number=CALLER) == [0, 2, 4]
    assert await found(number="+1") == [1, 3]
    assert await found(number=CALLED, types=frozenset({"final"})) == [2, 3]
    assert await found(number=CALLED, calls=frozenset({"CA2"})) == [1, 3]
    assert await found(number="+9") == []


@on_reactor
async def test_without_a_journal_those_that_are_remembered_are_found(clock: Clock) -> None:
    class Nobody:
        def written(self, entries: Any) -> None: ...

        def late(self, facts: Any) -> None: ...

    journal = NoJournal[object](clock, Nobody())
    one, other = Call("CA1"), Call("CA2")
    for event in (one.started(), other.started(caller="+1"), one.final(), other.final()):
        journal.put(event, None)
    page = await journal.since(0, 100, Filter(number=CALLER))
    assert [each.call_sid for each in page.records] == ["CA1", "CA1"]


def test_the_numbers_of_calls_are_forgotten_in_the_end() -> None:
    numbers = CallNumbers()
    numbers.learn([record(1, call_sid="CA1")], "+1")
    numbers.note([start_of(2, "CA1"), record(3, call_sid="CA9")])
    assert numbers.has("CA1", "+1")
    assert numbers.has("CA1", CALLER)
    for number in range(20_000):
        numbers.learn([record(number, call_sid=f"X{number}")], "+1")
    assert not numbers.has("CA1", "+1")
