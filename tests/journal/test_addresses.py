"""Addresses of sessions: events go to the receivers that the called number names, and to no other."""

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.journal.made import Call, Journals, Told, eventually
from tests.recognisers.on_reactor import on_reactor
from voicestt.events import Event, encode
from voicestt.journal.addresses import Addresses, is_addressed_to
from voicestt.journal.database import Database
from voicestt.journal.leases import Lease, this_process
from voicestt.journal.payloads import StoredPayloads, redaction
from voicestt.journal.port import Address, Destination
from voicestt.journal.schema import bring_up_to_date
from voicestt.journal.spill import Place, Spill
from voicestt.journal.spilling import SpillImport
from voicestt.journal.tables import events as events_table
from voicestt.journal.tables import outbox, sessions
from voicestt.journal.writing import EventWriter

FIRST = Destination("webhook", partials=False, is_receiver=True)
CRM = Destination("webhook:crm", partials=True, is_receiver=True)
UPPER = Destination("webhook:CRM", partials=False, types=frozenset({"final"}), is_receiver=True)
REDIS = Destination("redis", partials=False)
ALL = (FIRST, CRM, UPPER, REDIS)

_SESSIONS = 3
_folders = count()
_addresses = st.none() | st.frozensets(st.sampled_from([FIRST.name, CRM.name, UPPER.name]))
_kinds = st.sampled_from(["partial", "final", "ended"])
_batches = st.lists(st.tuples(st.integers(0, _SESSIONS - 1), _kinds), min_size=1, max_size=4)
_steps = st.lists(st.tuples(st.sampled_from(["write", "spill", "restart", "left"]), _batches), max_size=6)


class Process:
    """Writes a process's events into the database, or into its spill file."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.addresses = Addresses()
        whole, redact = StoredPayloads(), redaction("none")
        self.lease = Lease(this_process())
        self.spill = Spill(Place(folder, "calls.db"), redact, addresses=self.addresses)
        self.writer = EventWriter(database, self.lease.id, ALL, redact, whole, self.addresses)
        self._database = database

    def write(self, events: Sequence[Event]) -> list[Address]:
        with self._database.writing() as connection:
            draft = self.writer.write(connection, events)
        self.writer.keep(draft)
        return [record.addressed for record in draft.records if record is not None]

    def read_files(self) -> None:
        SpillImport(self._database, self.lease, self.spill, self.writer).read()


class World:
    """Calls, each with an address, through processes that spill, end and follow each other."""

    def __init__(self, url: str, folder: Path, addresses: Sequence[Address]) -> None:
        self.database, self._folder = Database(url), folder
        bring_up_to_date(self.database)
        self.calls = [Call(f"CA{number}") for number in range(_SESSIONS)]
        self._address = {call.session: address for call, address in zip(self.calls, addresses, strict=True)}
        self.begun: set[str] = set()
        self.expected: set[tuple[str, str, int]] = set()
        self.process = Process(self.database, folder)

    def do(self, step: str, batch: Sequence[tuple[int, str]]) -> None:
        if step == "restart":
            self._restart()
        events = [event for number, kind in batch for event in self._events(self.calls[number], kind)]
        if step in ("spill", "left"):
            self.process.spill.write(events)
        if step == "left":
            self._restart()
        if step in ("spill", "left"):
            self.process.read_files()
        else:
            assert self.process.write(events) == [self._address[event.session] for event in events]

    def _restart(self) -> None:
        self.process.spill.close()
        self.process = Process(self.database, self._folder)

    def _events(self, call: Call, kind: str) -> list[Event]:
        events: list[Event] = []
        address = self._address[call.session]
        if call.session not in self.begun:
            self.begun.add(call.session)
            if address is not None:
                self.process.addresses.say(call.session, address)
            events.append(call.started())
        make: dict[str, Callable[[], Event]] = {
            "partial": call.partial,
            "final": call.final,
            "ended": call.ended,
        }
        events.append(make[kind]())
        for event in events:
            tag = str(event.__struct_config__.tag)
            wanted = [each for each in ALL if each.wants(tag)]
            self.expected |= {
                (each.name, event.session, event.sequence)
                for each in wanted
                if each is REDIS or address is None or each.name in address
            }
        return events

    def named(self, receiver: str) -> set[str]:
        """Return the sessions whose address names the receiver, or none."""
        return {session for session, address in self._address.items() if address is None or receiver in address}

    def sessions_of(self, receiver: str) -> set[str]:
        """Return the sessions in the database that a replay to the receiver is about."""
        with self.database.reading() as connection:
            asked = select(sessions.c.session).where(is_addressed_to(receiver))
            return set(connection.execute(asked).scalars())

    def addressed(self) -> set[tuple[str, str, int]]:
        """Return what is in the outbox."""
        event = events_table.c
        asked = select(outbox.c.destination, event.session, event.sequence).join_from(outbox, events_table)
        with self.database.reading() as connection:
            return {(row[0], row[1], row[2]) for row in connection.execute(asked)}


def test_no_event_goes_to_a_receiver_that_was_not_named_and_none_is_lost(url: str, tmp_path: Path) -> None:
    @given(addresses=st.lists(_addresses, min_size=_SESSIONS, max_size=_SESSIONS), steps=_steps)
    @settings(max_examples=25, deadline=None)
    def holds(addresses: list[Address], steps: list[tuple[str, list[tuple[int, str]]]]) -> None:
        folder = tmp_path / f"spilled{next(_folders)}"
        folder.mkdir()
        world = World(url, folder, addresses)
        before = world.addressed()  # of the examples before
        for step, batch in steps:
            world.do(step, batch)
        assert world.addressed() - before == world.expected
        for name in (FIRST.name, CRM.name, UPPER.name):
            assert world.sessions_of(name) & world.begun == world.named(name) & world.begun
        world.database.close()

    holds()


@on_reactor
async def test_recovery_by_another_process_keeps_to_the_address(url: str) -> None:
    journals, chosen, plain, nowhere = Journals(url), Call("CA1"), Call("CA2"), Call("CA3")
    first = await journals.open(FIRST, CRM, REDIS)
    first.journal.address(chosen.session, [CRM.name])
    first.journal.address(nowhere.session, [])
    calls = (chosen, plain, nowhere)
    await first.write(*(event for call in calls for event in (call.started(), call.final())))
    assert {each.record.session for each in await first.pending(FIRST)} == {plain.session}
    assert first.journal.standing(FIRST.name).waiting == 2
    assert first.journal.standing(CRM.name).waiting == 4
    assert first.journal.standing(REDIS.name).waiting == 6
    await first.journal.close()
    second = await journals.open(FIRST, CRM, REDIS, told=Told())
    found = [each.record for each in await second.adopted(6, CRM)]
    assert {each.session for each in found} == {chosen.session, plain.session}
    assert [each.type for each in found].count("call_ended") == 2
    assert {each.record.session for each in await second.adopted(3, FIRST)} == {plain.session}
    assert len(await second.adopted(9, REDIS)) == 9
    await eventually(lambda: second.journal.standing(FIRST.name).waiting == 3)
    await journals.close()


def test_an_address_is_kept_until_the_call_has_ended_only(url: str, tmp_path: Path) -> None:
    world = World(url, tmp_path, [frozenset({CRM.name}), frozenset(), None])
    world.do("write", [(0, "final"), (1, "final"), (2, "ended")])
    assert len(world.process.addresses) == 2
    world.do("write", [(0, "ended"), (1, "ended")])
    assert len(world.process.addresses) == 0
    world.database.close()


def test_no_more_addresses_are_kept_than_events_can_wait() -> None:
    addresses = Addresses(most=2)
    for session in "abc":
        addresses.say(session, ["webhook"])
    assert [addresses.get(session) for session in "abc"] == [None, frozenset({"webhook"}), frozenset({"webhook"})]


@pytest.mark.parametrize("receivers", [[], ["webhook:crm", "webhook"]])
def test_a_line_of_a_spill_file_has_the_address_and_is_an_event_for_older_versions(receivers: list[str]) -> None:
    call, said, read = Call(), Addresses(), Addresses()
    event = call.final('a ,"addressed":["webhook"] word')
    assert said.marked(call.session, encode(event)) == encode(event)
    read.read_mark(call.session, encode(event))
    assert read.get(call.session) is None
    said.say(call.session, receivers)
    read.read_mark(call.session, said.marked(call.session, encode(event)))
    assert read.get(call.session) == frozenset(receivers)
