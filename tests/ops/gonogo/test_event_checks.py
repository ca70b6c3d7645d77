"""Checks of what applications got of a call: journals that are files, and servers that answer at `GET /events`."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.gonogo.faulty_proxy import Fault, answer, faulty_proxy
from tests.ops.gonogo.run_contexts import findings_of, run_context
from tests.recognisers.on_reactor import on_reactor, reactor
from voicestt import events
from voicestt.emulators.twilio.call_values import CallReport
from voicestt.journal.database import Database
from voicestt.journal.schema import bring_up_to_date
from voicestt.journal.tables import events as event_rows
from voicestt.journal.tables import sessions
from voicestt.ops.gonogo import event_checks as checks
from voicestt.ops.gonogo.event_checks import (
    EventListener,
    are_over,
    event_checks,
    fault_in,
    fault_in_privacy,
    feed_check,
    figure_of,
    finals_in,
    keeps_texts,
)
from voicestt.ops.gonogo.listening import HeardCall
from voicestt.ops.gonogo.report import CheckOutcome, Finding, as_json
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.started import StartedServer

OK, FAILED, SKIPPED, UNSEEN = CheckOutcome.OK, CheckOutcome.FAILED, CheckOutcome.SKIPPED, CheckOutcome.UNSEEN
TOKEN = "an-events-token"
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 2000\n\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST_SECONDS", "_LAST_SECONDS"):
        monkeypatch.setattr(checks, name, 0.2)


def journal(path: Path, call_sid: str, told: Sequence[events.Event]) -> str:
    """The URL of a journal that has these events of a call."""
    database = Database(f"sqlite:///{path}")
    bring_up_to_date(database)
    session = told[0].session
    whose = {
        "session": session,
        "call_sid": call_sid,
        "stream_sid": "MZ1",
        "account_sid": "AC1",
        "started_at": 1.0,
    }
    with database.writing() as connection:
        connection.execute(sessions.insert(), {**whose, "closed_by_recovery": False})
        for event in told:
            connection.execute(
                event_rows.insert(),
                {
                    "session": session,
                    "sequence": event.sequence,
                    "type": events.type_of(event),
                    "call_sid": call_sid,
                    "written_at": 1.0,
                    "payload": events.encode(event).decode(),
                },
            )
    database.close()
    return f"sqlite:///{path}"


def heard_of(here: RunContext, finals: Sequence[str]) -> HeardCall:
    """A call that was made, with these finals in the context's EVENTS_FILE."""
    heard = HeardCall()
    heard.watch(here.events_file)
    heard.report = CallReport(heard.call_sid, "MZ1")
    if here.events_file is not None:
        lines = [{"call": heard.call_sid, "kind": "final", "text": text, "t": 1.0} for text in finals]
        with here.events_file.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    return heard


async def journalled(here: RunContext, heard: HeardCall) -> Finding:
    return (await findings_of(event_checks(here, heard, EventListener())[:1]))["events.journal"]


def against(folder: Path, journal_url: str, redact: str = "none") -> RunContext:
    return run_context(
        folder,
        JOURNAL_URL=journal_url,
        EVENTS_FILE=str(folder / "events.jsonl"),
        STT_DRAIN_SECONDS="0.1",
        JOURNAL_REDACT=redact,
    )


@on_reactor
async def test_a_call_that_is_all_in_the_journal_is_compared_with_the_events_file(tmp_path: Path) -> None:
    here = against(tmp_path, f"sqlite:///{tmp_path}/j.db")
    heard = heard_of(here, ["one"])
    journal(tmp_path / "j.db", heard.call_sid, CALL)
    less = await journalled(here, heard)
    assert (less.outcome, less.figure) == (FAILED, "other finals than in EVENTS_FILE")
    here = against(tmp_path, f"sqlite:///{tmp_path}/k.db")
    heard = heard_of(here, ["one", "two"])
    journal(tmp_path / "k.db", heard.call_sid, CALL)
    same = await journalled(here, heard)
    assert (same.outcome, same.figure) == (OK, "6 events, 2 finals, as in EVENTS_FILE")


@on_reactor
async def test_a_call_that_is_not_over_in_the_journal_is_a_failure(tmp_path: Path) -> None:
    here = against(tmp_path, f"sqlite:///{tmp_path}/j.db")
    heard = heard_of(here, ["one", "two"])
    journal(tmp_path / "j.db", heard.call_sid, CALL[:5])
    finding = await journalled(here, heard)
    assert (finding.outcome, finding.figure) == (FAILED, "call_ended is missing: the last is final")


@on_reactor
async def test_what_the_journal_should_not_have_is_a_failure(tmp_path: Path) -> None:
    here = against(tmp_path, f"sqlite:///{tmp_path}/j.db", "texts")
    heard = heard_of(here, ["one", "two"])
    journal(tmp_path / "j.db", heard.call_sid, CALL)
    assert "what was said is there" in (await journalled(here, heard)).figure
    here = against(tmp_path, f"sqlite:///{tmp_path}/k.db", "texts")
    heard = heard_of(here, ["one", "two"])
    silent = [made(events.CallStarted, 1, account_sid="AC1"), made(events.CallEnded, 2, reason="")]
    journal(tmp_path / "k.db", heard.call_sid, silent)
    assert (await journalled(here, heard)).figure == "2 events, 0 finals, no texts: JOURNAL_REDACT=texts"


@on_reactor
async def test_another_journal_than_the_running_servers_proves_nothing(tmp_path: Path) -> None:
    here = against(tmp_path, f"sqlite:///{tmp_path}/j.db")
    missing = await journalled(here, heard_of(here, []))
    journal(tmp_path / "j.db", "CA of another", CALL)
    others = await journalled(here, heard_of(here, []))
    (tmp_path / "empty.db").touch()
    here = against(tmp_path, f"sqlite:///{tmp_path}/empty.db")
    empty = await journalled(here, heard_of(here, []))
    assert [finding.outcome for finding in (missing, others, empty)] == [SKIPPED] * 3
    assert others.figure == "the call is not in it"
    assert "as an absolute one" in missing.advice


@on_reactor
async def test_events_that_cannot_be_seen_are_not_a_failure(tmp_path: Path) -> None:
    assert (await journalled(against(tmp_path, "off"), HeardCall())).outcome is UNSEEN
    outside = run_context(tmp_path, Where.PUBLIC, JOURNAL_URL=f"sqlite:///{tmp_path}/j.db")
    assert (await journalled(outside, HeardCall())).outcome is UNSEEN


@on_reactor
async def test_a_server_of_ones_own_must_have_journalled(tmp_path: Path) -> None:
    here = run_context(tmp_path, Where.STARTED, JOURNAL_URL="off", STT_DRAIN_SECONDS="0.1")
    here.server = StartedServer(reactor, tmp_path, here.environ)
    assert (await journalled(here, heard_of(here, []))).outcome is FAILED
    heard = heard_of(here, ["one", "two"])
    journal(tmp_path / "journal.db", heard.call_sid, CALL)
    assert (await journalled(here, heard)).figure == "6 events, 2 finals, as in EVENTS_FILE"


@asynccontextmanager
async def feed(folder: Path, said: bytes, token: str = TOKEN) -> AsyncIterator[tuple[Finding, Finding]]:
    """The findings of a server that says this at `GET /events`, before and after a call."""
    port = faulty_proxy(reactor, 0, Fault("/", instead=said))
    here = run_context(
        folder, address=f"127.0.0.1:{port.getHost().port}", EVENTS_TOKEN=token, STT_DRAIN_SECONDS="0.1"
    )
    heard, listener = HeardCall(), EventListener()
    opened = (await findings_of([feed_check(here, heard, listener)]))[checks.OPENS]
    told = (await findings_of(event_checks(here, heard, listener)[1:]))["events.live"]
    await here.clear_up()
    await port.stopListening()
    yield opened, told


@pytest.mark.parametrize(
    ("said", "token", "outcome", "figure"),
    [
        (answer("404 Not Found", "text/plain", b""), "", OK, "it is closed: EVENTS_TOKEN is not set"),
        (SSE, "", FAILED, "200, though EVENTS_TOKEN is not set"),
        (answer("404 Not Found", "text/plain", b""), TOKEN, FAILED, "without the token 404"),
        (SSE, TOKEN, FAILED, "without the token 200"),
        (answer("401 Unauthorized", "text/plain", b""), TOKEN, FAILED, "with the token 401 text/plain"),
        (b"", TOKEN, FAILED, "Remote end closed connection without response"),
    ],
)
@on_reactor
async def test_the_access_to_the_live_feed_is_judged(
    tmp_path: Path, said: bytes, token: str, outcome: CheckOutcome, figure: str
) -> None:
    async with feed(tmp_path, said, token) as (opened, _told):
        assert (opened.outcome, opened.figure) == (outcome, figure)
        assert TOKEN not in as_json([opened])


@on_reactor
async def test_a_feed_that_is_closed_tells_nothing(tmp_path: Path) -> None:
    async with feed(tmp_path, answer("404 Not Found", "text/plain", b""), "") as (_opened, told):
        assert told.outcome is UNSEEN


CALLER = "+15555550100"


def made(kind: type[events.Event], sequence: int, session: str = "s1", **values: Any) -> events.Event:
    return kind(
        id=events.event_id(session, sequence),
        session=session,
        sequence=sequence,
        timestamp="2026-11-23T08:00:00.000000Z",
        call_sid="CA1",
        stream_sid="MZ1",
        **values,
    )


CALL = [
    made(events.CallStarted, 1, account_sid="AC1", caller=CALLER, called=None),
    made(events.Partial, 2, utterance=1, text="on"),
    made(events.Final, 3, utterance=1, text="one"),
    made(events.UtteranceEnd, 4, utterance=1, end=1.0, silence=0.7),
    made(events.Final, 5, utterance=2, text="two"),
    made(events.CallEnded, 6, reason="the caller hung up", finals=2),
]


def payloads(*told: events.Event) -> list[bytes]:
    return [events.encode(event) for event in told]


def test_a_whole_call_has_no_fault() -> None:
    told = payloads(*CALL)
    assert fault_in(told) == ""
    assert finals_in(told) == ["one", "two"]
    assert figure_of(told) == "6 events, 2 finals"
    assert (are_over(told), are_over(told[:-1]), are_over([])) == (True, False, False)


def test_a_call_in_which_nobody_spoke_has_none_either() -> None:
    silent = payloads(CALL[0], made(events.CallEnded, 2, reason="the caller hung up"))
    assert (fault_in(silent), figure_of(silent)) == ("", "2 events, 0 finals")


@given(st.data())
def test_whatever_is_missing_repeated_or_misplaced_is_found(data: st.DataObject) -> None:
    told = payloads(*CALL)
    at = data.draw(st.integers(0, len(told) - 1))
    match data.draw(st.sampled_from(["missing", "repeated", "misplaced"])):
        case "missing":
            del told[at]
        case "repeated":
            told.insert(data.draw(st.integers(0, len(told))), told[at])
        case _:
            to = data.draw(st.integers(0, len(told) - 1).filter(lambda place: place != at))
            told[at], told[to] = told[to], told[at]
    assert fault_in(told)


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ([], "there are none"),
        ([CALL[0], made(events.CallEnded, 2, "s2", reason="x")], "of several sessions"),
        ([msgspec.structs.replace(CALL[0], id="s1-000007"), *CALL[1:]], "their ids do not fit"),
        ([made(events.Partial, 1, utterance=1, text="x")], "the first is partial"),
        (CALL[:3], "call_ended is missing: the last is final"),
        ([CALL[0], made(events.CallStarted, 2, account_sid="AC1"), made(events.CallEnded, 3, reason="")], "twice"),
        ([CALL[0], made(events.CallEnded, 2, reason="", finals=1)], "call_ended counts 1 finals, and there are 0"),
    ],
)
def test_each_fault_is_said(told: list[events.Event], fault: str) -> None:
    assert fault in fault_in(payloads(*told))


@given(st.binary(max_size=60) | st.sampled_from([b'{"type":"final"}', b'{"type":"nonsense"}', b"[]"]))
def test_an_invalid_event_is_a_fault(junk: bytes) -> None:
    assert fault_in([*payloads(*CALL[:5]), junk]).startswith("one is no event of version 1")


def test_what_is_to_be_kept_out_of_the_journal_is_looked_for() -> None:
    told = payloads(*CALL)
    silent = payloads(CALL[0], CALL[-1])
    assert [bool(fault_in_privacy(told, word)) for word in ("none", "numbers", "texts", "all")] == [
        False,
        True,
        True,
        True,
    ]
    assert fault_in_privacy(silent, "texts") == ""
    assert CALLER not in fault_in_privacy(told, "all")
    assert [keeps_texts(word) for word in ("none", "numbers", "texts", "all")] == [True, True, False, False]
