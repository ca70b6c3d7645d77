from pathlib import Path

import pytest
from click.testing import CliRunner
from twisted.internet.threads import deferToThread

from tests.delivery.receiver import receiving
from tests.delivery.test_destinations import delivering, webhook
from tests.journal.made import CALLED, CALLER, eventually
from tests.ops.journal.made import Call, Desk, do, refused, run, run_json
from tests.ops.journal.test_running_server import refusing
from tests.recognisers.on_reactor import on_reactor
from tests.recording.made import session
from voicestt.cli import main
from voicestt.events import event_id
from voicestt.recording.folder import RecordingFolder

OTHER = "+972509999999"


def written(desk: Desk, call_sid: str, words: str, *, caller: str | None = CALLER, is_live: bool = False) -> Call:
    call = Call(call_sid)
    desk.write(call.started(caller=caller), call.partial(), call.final(words), None if is_live else call.ended())
    return call


def rest(desk: Desk) -> dict[str, int]:
    tables = ("sessions", "events", "outbox", "attempts")
    return {name: do(desk, f"SELECT count(*) FROM voicestt_{name}")[0][0] for name in tables}


@pytest.mark.parametrize("number", [CALLER, "972501234567", "+972 50-123.4567"])
def test_every_call_of_a_number_is_erased_and_no_other(desk: Desk, number: str) -> None:
    for sid in ("CA1", "CA2"):
        written(desk, sid, "secret words")
    written(desk, "CA3", "other words", caller=OTHER)
    said = run("erase", "--number", number, "--yes")
    assert said.startswith(
        "Of …4567: 2 calls, 8 events, 14 of their deliveries still wait or are dead-lettered.\n"
    )
    assert "EVENTS_FILE, the server's log, backups" in said
    assert "0501234567" not in said
    assert [call["call_sid"] for call in run_json("calls")] == ["CA3"]
    assert "other words" in run("transcript", "CA3")
    assert rest(desk) == {"sessions": 1, "events": 4, "outbox": 7, "attempts": 0}


def test_nothing_of_it_is_left_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_URL", f"sqlite:///{tmp_path}/journal.db")
    desk = Desk(f"sqlite:///{tmp_path}/journal.db")
    written(desk, "CA1", "a very particular sentence")
    written(desk, "CA2", "another one", caller=OTHER)
    run("erase", "--number", CALLER, "--yes")
    files = b"".join(path.read_bytes() for path in tmp_path.glob("journal.db*"))
    assert b"another one" in files
    assert b"very particular" not in files
    desk.database.close()


def test_it_asks_first_and_a_dry_run_changes_nothing(desk: Desk) -> None:
    written(desk, "CA1", "shalom")
    before = rest(desk)
    assert "Nothing is changed." in run("erase", "--number", CALLER, "--dry-run")
    asked = CliRunner().invoke(main, ["erase", "--number", CALLER], input="n\n")
    assert asked.exit_code == 1
    assert "Erase them for good?" in asked.output
    assert rest(desk) == before
    assert CliRunner().invoke(main, ["erase", "--number", CALLER], input="y\n").exit_code == 0
    assert rest(desk)["events"] == 0


def test_a_call_that_goes_on_is_left_and_said(desk: Desk) -> None:
    written(desk, "CA1", "shalom")
    live = written(desk, "CA2", "shalom", is_live=True)
    words = refused("erase", "--number", CALLER, "--yes")
    assert "1 call is still going on, and is left. Erase the number again" in words
    assert rest(desk)["sessions"] == 1
    desk.write(live.final("later"), live.ended())  # it can still be written
    run("erase", "--number", CALLER, "--yes")
    assert rest(desk)["sessions"] == 0


def test_the_number_that_was_called_is_not_erased_unless_asked_for(desk: Desk) -> None:
    written(desk, "CA1", "shalom")
    assert "No call of …4567 is in the journal" in refused("erase", "--number", CALLED, "--yes")
    assert "1 call, " in run("erase", "--number", CALLED, "--called", "--yes")


def test_sip_addresses_and_numbers_that_were_redacted(desk: Desk) -> None:
    written(desk, "CA1", "shalom", caller="sip:agent@example.com")
    written(desk, "CA2", "shalom", caller=None)
    assert "1 call, " in run("erase", "--number", "sip:agent@example.com", "--yes")
    assert rest(desk)["sessions"] == 1


def test_a_call_of_many_events_is_erased_in_pieces(desk: Desk) -> None:
    call = Call()
    desk.write(call.started(), *(call.final() for _ in range(1_100)), call.ended())
    assert "1 call, 1,102 events" in run("erase", "--number", CALLER, "--yes")
    assert rest(desk) == {"sessions": 0, "events": 0, "outbox": 0, "attempts": 0}


@on_reactor
async def test_a_running_server_forgets_what_it_has_read_and_others_arrive_in_order(
    desk: Desk, tmp_path: Path
) -> None:
    call, other = Call("CA1"), Call("CA2")
    async with receiving() as receiver:
        receiver.answer = refusing(event_id(call.session, 1))
        async with delivering(webhook(receiver.url), tmp_path, desk.url) as made:
            made.put(call.started(), *(call.final() for _ in range(20)), call.ended())
            await eventually(lambda: len(receiver.ids) >= 2)
            made.put(other.started(caller=OTHER), other.final(), other.ended())
            assert "Erased." in await deferToThread(run, "erase", "--number", CALLER, "--yes")
            await eventually(lambda: made.deliverers[0].figures.waiting == 0)
            await eventually(lambda: event_id(other.session, 3) in receiver.ids)
    theirs = [each for each in receiver.ids if each.startswith(other.session)]
    assert theirs == [event_id(other.session, sequence) for sequence in (1, 2, 3)]
    assert {each for each in receiver.ids if each.startswith(call.session)} <= {event_id(call.session, 1)}


def test_recordings_of_the_caller_go_too_and_others_stay(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RecordingFolder(tmp_path / "recordings")
    monkeypatch.setenv("RECORD_DIR", str(folder.path))
    paths = []
    for sid, caller in (("CA1", CALLER), ("CA2", OTHER)):
        call = Call(sid)
        call.session = session()
        desk.write(call.started(caller=caller), call.ended())
        paths.append(folder.path_of(call.session, sid))
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        paths[-1].write_bytes(b"audio")
    assert "Recordings erased: 1.\n" in run("erase", "--number", CALLER, "--yes")
    assert [path.exists() for path in paths] == [False, True]
    monkeypatch.setenv("RECORD_STORE", "http://not-a-store")
    assert "RECORD_STORE is not s3://BUCKET" in refused("erase", "--number", OTHER, "--yes")
    assert [call["call_sid"] for call in run_json("calls")] == ["CA2"], "nothing is erased where that fails"
