"""Calls of the journal for the page, over real databases; who may see what is the visit's."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_twisted import blockon  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred
from twisted.web.http import Request

from tests.journal.made import CALLER, WEBHOOK, Call, Journals
from tests.postgres import empty_database
from tests.recognisers.on_reactor import reactor
from voicestt.events import CallIncident, Dtmf, Said, Unrecognised, Word
from voicestt.journal.port import Attempt
from voicestt.page.calls_api import CallsApi, cursor_of, query_of
from voicestt.page.queries import JournalQueries
from voicestt.page.visit import PageError, PageReply, Role, Visit

ANSWER = "the receiver's answer"


def visit(role: Role = Role.ACT, /, **query: str) -> Visit:
    return Visit(cast(Request, None), role, "csrf", 0.0, query)


@dataclass
class Recordings:
    """Recordings that are there for each call."""

    erased: list[str] = field(default_factory=list)

    def has(self, _session: str) -> bool:
        return True

    def about(self, _session: str) -> dict[str, Any]:
        return {"tracks": 1, "duration_s": 2.5}

    def erase(self, session: str) -> None:
        self.erased.append(session)


class Asked:
    """The API over one journal, with a call in it."""

    def __init__(self, url: str) -> None:
        self.recordings = Recordings()
        self.queries = JournalQueries(reactor, url)
        self.api = CallsApi(self.queries, "he-IL", self.recordings)
        self.call = Call()

    async def __call__(self, name: str, by: Visit, **parts: str) -> Any:
        (endpoint,) = [each for each in self.api.endpoints if each.method + " " + each.path == name]
        answer = await endpoint.answer(by, **parts)
        if isinstance(answer, PageReply) and answer.content_type == "application/json":
            return json.loads(answer.content)
        return answer

    async def refusal(self, name: str, by: Visit, **parts: str) -> PageError:
        with pytest.raises(PageError) as refused:
            await self(name, by, **parts)
        return refused.value


LIST, ONE = "GET /api/calls", "GET /api/calls/<session>"
TRANSCRIPT, ERASE = f"{ONE}/transcript.<form>", "POST /api/calls/<session>/erase"


async def write(journals: Journals, call: Call) -> None:
    opened = await journals.open(WEBHOOK)
    words = [Word(text="המספר", start=0.5, end=1.0), Word(text="0501234567", start=1.0, end=3.0)]
    told = [
        call.started(parameters={"shop": "7"}),
        Said(**call.next(), text="במה אפשר לעזור", seconds=2.0, start=0.0, end=1.5, cleared=True),
        call.final("המספר 0501234567", start=0.5, end=3.0, words=words, confidence=0.9, delay=0.4),
        Dtmf(**call.next(), digit="5"),
        CallIncident(**call.next(), incident="rotated", why="before its limit"),
        Unrecognised(**call.next(), why="UNAVAILABLE", seconds=1.5, start=4.0, end=5.5),
        call.ended(),
    ]
    records = await opened.write(*told)
    number = records[0].number
    await opened.journal.delivered("webhook", [number], [Attempt(number, 5.0, None, 200, ANSWER)])
    await opened.journal.flush()


@pytest.fixture(params=["sqlite", "postgresql"])
def journals(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journals]:
    made = Journals(empty_database(request.param, tmp_path))
    yield made
    blockon(Deferred.fromCoroutine(made.close()))


@pytest.fixture
def asked(journals: Journals) -> Iterator[Asked]:
    made = Asked(journals.url)
    blockon(Deferred.fromCoroutine(write(journals, made.call)))
    yield made
    made.queries.stop()


async def test_the_list_is_as_the_page_wants_it(asked: Asked) -> None:
    found = await asked(LIST, visit())
    assert found["next"] is None
    assert found["calls"] == [
        {
            "session": asked.call.session,
            "call_sid": "CA1",
            "number": CALLER,
            "started": "2026-11-23T07:00:00.000Z",
            "duration_s": 2.5,
            "words": 2,
            "utterances": 1,
            "language": "he-IL",
            "trouble": {"degraded": False, "lost_ms": 1500, "incidents": 1},
            "snippet": None,
            "recorded": True,
        }
    ]


async def test_a_viewer_sees_no_number_wherever_it_stands(asked: Asked) -> None:
    everything = [
        await asked(LIST, visit(Role.VIEW)),
        await asked(ONE, visit(Role.VIEW), session=asked.call.session),
        *[
            await asked(TRANSCRIPT, visit(Role.VIEW), session=asked.call.session, form=form)
            for form in ("txt", "vtt", "json")
        ],
    ]
    shown = "".join(f"{each.content!r}" if isinstance(each, PageReply) else str(each) for each in everything)
    at = shown.find("501234567")
    assert at < 0, shown[at - 200 : at + 50]
    assert "custom" not in shown
    assert ANSWER not in shown
    assert "(key 5)" not in shown


async def test_only_who_may_act_searches_for_a_number(asked: Asked) -> None:
    for query in ({"number": CALLER}, {"query": "0501234567"}, {"query": "המספר 05012345"}):
        assert (await asked.refusal(LIST, visit(Role.VIEW, **query))).code == 403
        assert (await asked(LIST, visit(**query)))["calls"] != [] or "query" in query
    assert (await asked(LIST, visit(number="+972-50-123 4567")))["calls"] != []
    assert (await asked(LIST, visit(number="+972500000000")))["calls"] == []


async def test_one_call_has_both_sides_its_incidents_delays_and_deliveries(asked: Asked) -> None:
    found = await asked(ONE, visit(), session=asked.call.session)
    assert [(line["who"], line["text"], line["start_ms"], line["end_ms"]) for line in found["conversation"]] == [
        ("us", "במה אפשר לעזור", 0, 1500),
        ("caller", "המספר 0501234567", 500, 3000),
        ("keys", "5", 0, 0),
    ]
    assert found["conversation"][0]["cleared"] is True
    assert found["conversation"][1]["words"][0] == {"word": "המספר", "start_ms": 500, "end_ms": 1000}
    assert [(each["kind"], each["at_ms"], each["ms"]) for each in found["incidents"]] == [
        ("rotated", 0, 0),
        ("unrecognised", 4000, 1500),
    ]
    assert found["delays"] == [{"at_ms": 3000, "ms": 400, "final": True, "who": "caller"}]
    assert found["call"]["custom"] == {"shop": "7"}
    assert (found["call"]["reason"], found["call"]["ended"]) == ("stop", "2026-11-23T07:00:00.000Z")
    assert found["account"]["received"] == 0
    assert found["callee_account"] is None
    first, *others = found["deliveries"]
    assert (first["state"], first["attempts"], first["tries"][0]["answer"]) == ("delivered", 1, ANSWER)
    assert {each["state"] for each in others} == {"pending"}
    assert (found["more"], found["recording"]) == (None, {"tracks": 1, "duration_s": 2.5})


@pytest.mark.parametrize(
    ("form", "has"), [("txt", "(to the caller, cut after 1.5 s: במה"), ("srt", "– במה"), ("vtt", "WEBVTT")]
)
async def test_a_transcript_is_a_download(asked: Asked, form: str, has: str) -> None:
    reply = await asked(TRANSCRIPT, visit(), session=asked.call.session, form=form)
    assert has in reply.content.decode()
    assert reply.headers["content-disposition"].startswith('attachment; filename="call-')


async def test_a_transcript_in_json_is_one(asked: Asked) -> None:
    found = await asked(TRANSCRIPT, visit(), session=asked.call.session, form="json")
    assert [line["type"] for line in found["streams"][0]["lines"]] == ["said", "final", "dtmf", "unrecognised"]
    assert (await asked.refusal(TRANSCRIPT, visit(), session=asked.call.session, form="exe")).code == 404


async def test_an_erased_call_is_gone_with_its_recording(asked: Asked) -> None:
    assert await asked(ERASE, visit(), session=asked.call.session) is None
    assert asked.recordings.erased == [asked.call.session]
    assert (await asked(LIST, visit()))["calls"] == []
    for name in (ONE, ERASE):
        assert (await asked.refusal(name, visit(), session=asked.call.session)).code == 404


async def test_a_call_that_goes_on_is_not_erased(journals: Journals) -> None:
    asked = Asked(journals.url)

    opened = await journals.open()
    await opened.write(asked.call.started())
    assert (await asked.refusal(ERASE, visit(), session=asked.call.session)).code == 409
    assert asked.recordings.erased == []
    asked.queries.stop()


async def test_without_a_journal_it_says_so() -> None:
    with pytest.raises(PageError, match="JOURNAL_URL=off"):
        await CallsApi(JournalQueries(reactor, "off")).endpoints[0].answer(visit())


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"since": "yesterday"}, "no date"),
        ({"until": "2026-13-01"}, "no date"),
        ({"cursor": "x"}, "`cursor`"),
        ({"cursor": "bnVsbA"}, "`cursor`"),
        ({"limit": "-1"}, "whole number"),
        ({"query": "x" * 201}, "at most 200"),
        ({"number": "1" * 201}, "at most 200"),
    ],
)
async def test_what_cannot_be_asked_is_said(query: dict[str, str], words: str) -> None:
    with pytest.raises(PageError, match=words) as refused:
        query_of(visit(**query))
    assert refused.value.code == 400


@given(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.text()))
def test_a_cursor_comes_back_as_the_place_that_it_was_made_of(place: tuple[float, str]) -> None:
    assert query_of(visit(cursor=cursor_of(place))).before == place


@given(st.text())
def test_no_cursor_does_harm(cursor: str) -> None:
    with contextlib.suppress(PageError):
        query_of(visit(cursor=cursor))
