"""Two servers behind one PgBouncer in transaction mode: it works, and nobody else of the pool notices them."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.conftest import Logged
from tests.end_to_end.chatter import SAID, chatted
from tests.end_to_end.rig import google_process, running_server
from tests.journal.made import (
    WEBHOOK,
    Call,
    Journals,
    numbers,
    payloads,
)
from tests.pgbouncer import SESSIONS, Bouncer, pgbouncer
from tests.postgres import cluster
from tests.recognisers.on_reactor import on_reactor
from voicestt.events import encode

SETTINGS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "tcp_keepalives_idle")


@pytest.fixture(scope="module")
def bouncer() -> Iterator[Bouncer]:
    with pgbouncer() as made:
        yield made


@pytest.fixture
def url(bouncer: Bouncer) -> str:
    return bouncer.url(cluster().new_database())


def settings_of_the_pool(url: str) -> list[tuple[str, ...]]:
    """The settings that another client of the pool finds in each of its sessions."""
    where = make_url(url)
    others = [
        psycopg.connect(host=where.host, port=where.port, user=where.username, dbname=where.database)
        for _ in range(SESSIONS)
    ]
    found = {}
    try:
        for other in others:  # all in a transaction at once: each has a session of its own
            (pid,) = other.execute("SELECT pg_backend_pid()").fetchone() or ()
            found[pid] = tuple(str((other.execute(f"SHOW {name}").fetchone() or ("",))[0]) for name in SETTINGS)
    finally:
        for other in others:
            other.close()
    assert len(found) == SESSIONS
    return list(found.values())


@on_reactor
async def test_two_journals_share_its_sessions_and_leave_nothing_behind(
    url: str, journals: Journals, bouncer: Bouncer, logged: Logged
) -> None:
    before = settings_of_the_pool(url)
    opened = [await journals.open(WEBHOOK), await journals.open(WEBHOOK)]
    calls = [Call("CA1"), Call("CA2")]
    for each, call in zip(opened, calls, strict=True):
        await each.write(call.started())
    for _ in range(30):  # often enough for psycopg to prepare what it is asked
        for each, call in zip(opened, calls, strict=True):
            await each.write(call.final(), call.partial())
    for each in opened:
        found = numbers(await each.adopted(31))
        await each.journal.delivered("webhook", found)
        assert await each.pending() == []
    page = await opened[0].journal.since(0, 1_000)
    assert len(page.records) == 122
    assert sorted(payloads(page.records)) == sorted(payloads([*opened[0].told.records, *opened[1].told.records]))
    assert page.through == page.last
    assert settings_of_the_pool(url) == before
    for each in opened:
        await each.journal.close()
    assert not logged.matching("cannot be")
    assert not logged.matching("failed")
    assert "ERROR" not in bouncer.log.read_text()


@on_reactor
async def test_another_takes_over_what_one_left(journals: Journals) -> None:
    first, call = await journals.open(WEBHOOK), Call()
    event = call.started()
    await first.write(event)
    await first.journal.close()
    second = await journals.open(WEBHOOK)
    assert payloads([each.record for each in await second.adopted(1)])[0] == encode(event)


def test_two_servers_take_calls_behind_it(url: str, tmp_path: Path) -> None:
    settings = {"JOURNAL_URL": url, "GREETING": "off"}
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with google_process(tmp_path, SAID) as services:
        port = services.google_port
        with (
            running_server(folders[0], port, **settings) as one,
            running_server(folders[1], port, **settings) as two,
        ):
            chatted(one, range(4), 3.0)
            chatted(two, range(4, 8), 3.0)
            ended = [event["call_sid"] for event in two.journal() if event["type"] == "call_ended"]
            assert len(set(ended)) == len(ended) == 8
            for server in (one, two):
                assert server.health()["journal"]["is_written"]
                assert not server.saying("cannot be written")
                assert not server.saying("failed")
