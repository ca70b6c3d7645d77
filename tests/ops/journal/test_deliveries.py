from typing import Any

import pytest

from tests.journal.made import (
    REDIS,
    WEBHOOK,
    Journals,
    eventually,
    numbers,
)
from tests.ops.journal.made import (
    Call,
    Desk,
    do,
    refused,
    run,
    run_json,
)
from tests.recognisers.on_reactor import on_reactor
from voicestt.events import event_id
from voicestt.journal import outbox
from voicestt.journal.outbox import Delivered, Failed
from voicestt.journal.port import Attempt


def mark(desk: Desk, *marks: Any) -> None:
    with desk.database.writing() as connection:
        outbox.apply(connection, marks, 1_795_417_300.0)


@pytest.fixture
def call(desk: Desk) -> Call:
    """Its start is dead-lettered at the webhook, its final fails there, and Redis has all but the last."""
    call = Call()
    records = desk.write(call.started(), call.final(), call.ended())
    first, second, _last = [record.number for record in records if record is not None]
    mark(
        desk,
        Failed("webhook", first, "410 Gone", is_hopeless=True),
        Failed("webhook", second, "503 Service\nUnavailable \x1b[2J", is_hopeless=False),
        Failed("webhook", second, "503 Service\nUnavailable \x1b[2J", is_hopeless=False),
        Delivered("redis", [first, second]),
    )
    return call


@pytest.mark.usefixtures("desk")
def test_everything_has_arrived() -> None:
    assert run("deliveries") == "Everything has arrived.\n"
    assert run_json("deliveries") == {"destinations": [], "deliveries": []}


def standing(destination: str) -> dict[str, Any]:
    (one,) = (each for each in run_json("deliveries")["destinations"] if each["destination"] == destination)
    return dict(one)


@on_reactor
async def test_the_deliveries_of_a_running_server_are_summarised(desk: Desk) -> None:
    journals = Journals(desk.url)
    figures: dict[str, object] = {
        "in_flight": 2,
        "rate": 1.5,
        "last_error": "it answered 500\x1b",
        "last_error_at": 1_795_417_300.0,
    }
    opened = await journals.open(WEBHOOK, figures=lambda: {"webhook": figures})
    other = await journals.open(
        REDIS, figures=lambda: {"webhook": figures, "redis": {"in_flight": 1, "rate": 9.0}}
    )
    await eventually(lambda: len(do(desk, "SELECT 1 FROM voicestt_instances WHERE figures LIKE '%rate%'")) == 2)
    said = run("deliveries").splitlines()
    assert said[0] == "Everything has arrived."
    assert said[3].split() == ["webhook", "0", "0", "0", "4", "3.0", "it", "answered", "500\\x1b"]
    await opened.write(Call().started())
    found = standing("webhook")
    assert 0 <= found.pop("oldest_seconds") < 60
    assert found.pop("oldest") is not None
    assert found == {
        "destination": "webhook",
        "pending": 1,
        "failing": 0,
        "dead_lettered": 0,
        "in_flight": 4,
        "rate": 3.0,
        "last_error": "it answered 500\\x1b",
        "last_error_at": "2026-11-23T07:01:40.000Z",
    }
    await opened.journal.close()
    assert standing("webhook")["in_flight"] == 2
    do(desk, "UPDATE voicestt_instances SET seen_at = seen_at - 3600")
    await other.journal.close()
    assert (standing("webhook")["rate"], standing("webhook")["last_error"]) == (0, None)
    await journals.close()


def test_each_destination_and_each_failing_delivery_is_shown(call: Call) -> None:
    head, redis, webhook, empty, titles, aside, failing = run("deliveries").splitlines()
    assert (
        " ".join(head.split())
        == "DESTINATION PENDING OLDEST FAILING DEAD-LETTERED IN FLIGHT PER SECOND LAST ERROR"
    )
    assert redis.split() == ["redis", "1", redis.split()[2], "0", "0", "0", "0"]
    assert webhook.split()[:2] + webhook.split()[3:7] == ["webhook", "2", "1", "1", "0", "0"]
    assert webhook.endswith(("  503 Service\\x0aUnavailable \\x1b[2J", "  410 Gone"))
    assert (empty, titles.split()) == ("", ["ID", "TO", "EVENT", "CALL", "TRIED", "LAST", "ERROR"])
    assert aside.split() == [
        event_id(call.session, 1),
        "webhook",
        "call_started",
        "CA1",
        "1",
        *["dead-lettered", "410", "Gone"],
    ]
    assert failing.split() == [
        event_id(call.session, 2),
        "webhook",
        "final",
        "CA1",
        "2",
        "503",
        "Service",
        "Unavailable",
        "[2J",
    ]


def test_dead_lettered_deliveries_are_shown_by_themselves(call: Call) -> None:
    found = run_json("deliveries", "--dead-lettered")["deliveries"]
    assert [each.pop("written_at") is not None for each in found] == [True]
    assert found == [
        {
            "id": event_id(call.session, 1),
            "destination": "webhook",
            "type": "call_started",
            "call_sid": "CA1",
            "attempts": 1,
            "failed_at": "2026-11-23T07:01:40.000Z",
            "dead_lettered_at": "2026-11-23T07:01:40.000Z",
            "last_error": "410 Gone",
        }
    ]


def test_retry_makes_one_event_pending_again(desk: Desk, call: Call) -> None:
    assert run("deliveries", "--retry", event_id(call.session, 1)) == "Deliveries that are tried again: 1.\n"
    assert run_json("deliveries", "--dead-lettered")["deliveries"] == []
    assert [record.sequence for record in desk.take_out("webhook", "nobody")] == []
    (row,) = do(desk, "SELECT owner FROM voicestt_sessions")
    assert row.owner is None  # "me" is no server that runs: whoever is, takes it over


def test_retry_refuses_an_event_that_is_not_dead_lettered(call: Call) -> None:
    assert "is not dead-lettered" in refused("deliveries", "--retry", event_id(call.session, 2))
    assert "is not dead-lettered" in refused("deliveries", "--retry", "another-000001")
    for name in ("", "x", "x-y", f"{call.session}-{'9' * 30}"):
        assert "is no event's id" in refused("deliveries", "--retry", name)
    assert "exclude each other" in refused("deliveries", "--retry", "x-1", "--retry-all")


def test_retry_all_makes_every_dead_letter_pending_again(desk: Desk, call: Call) -> None:
    assert run("deliveries", "--retry-all") == "Deliveries that are tried again: 1.\n"
    assert refused("deliveries", "--retry-all") == "Error: Nothing is dead-lettered.\n"


@pytest.mark.usefixtures("desk")
def test_the_first_hundred_deliveries_are_shown(desk: Desk) -> None:
    call = Call()
    records = desk.write(call.started(), *(call.final() for _ in range(150)))
    mark(desk, *(Failed("webhook", record.number, "no", is_hopeless=True) for record in records if record))
    assert "only the first 100 are shown" in run("deliveries")
    assert run("deliveries", "--retry-all") == "Deliveries that are tried again: 151.\n"


@on_reactor
async def test_a_running_server_delivers_retried_events(desk: Desk) -> None:
    journals = Journals(desk.url)
    opened, call = await journals.open(WEBHOOK), Call()
    first, second = [record.number for record in await opened.write(call.started(), call.ended())]
    await opened.journal.dead_letter("webhook", first, "410 Gone")
    assert numbers(await opened.pending()) == [second]
    run("deliveries", "--retry-all")
    assert numbers(await opened.pending()) == [first, second]
    await journals.close()
    assert run_json("deliveries")["destinations"][0]["pending"] == 2


@pytest.fixture
def tried(desk: Desk, call: Call) -> Call:
    """Its final was refused, and arrived at the webhook; its start was refused only."""
    (first, second) = do(desk, "SELECT number FROM voicestt_events ORDER BY number LIMIT 2")
    refused = Attempt(first.number, 1_795_417_200.0, "it answered 410 Gone", 410, "no\\x1b[2J more")
    broken = Attempt(second.number, 1_795_417_210.0, "it broke off: ConnectionLost")
    arrived = Attempt(second.number, 1_795_417_220.0, None, 200, "ok")
    mark(
        desk,
        Failed("webhook", first.number, "410 Gone", is_hopeless=True, attempts=[refused]),
        Failed("webhook", second.number, "broke off", is_hopeless=False, attempts=[broken]),
        Delivered("webhook", [second.number], [arrived]),
    )
    return call


def test_the_attempts_at_an_event_are_shown(tried: Call) -> None:
    head, first, second = run("deliveries", "--attempts", event_id(tried.session, 2)).splitlines()
    assert head.split() == ["AT", "ID", "TO", "EVENT", "CALL", "RESULT", "ANSWER"]
    assert first.startswith("2026-11-23 07:00:10Z  ")
    assert first.endswith("webhook  final  CA1   it broke off: ConnectionLost")
    assert second.endswith("arrived (200)                 ok")
    assert run_json("deliveries", "--attempts", event_id(tried.session, 1)) == {
        "attempts": [
            {
                "id": event_id(tried.session, 1),
                "destination": "webhook",
                "type": "call_started",
                "call_sid": "CA1",
                "at": "2026-11-23T07:00:00.000Z",
                "has_arrived": False,
                "status": 410,
                "error": "it answered 410 Gone",
                "answer": "no\\x1b[2J more",
            }
        ]
    }


@pytest.mark.usefixtures("tried")
def test_the_attempts_at_many_events_are_shown() -> None:
    def types(*arguments: str) -> list[str]:
        return [each["type"] for each in run_json("deliveries", "--attempts", *arguments)["attempts"]]

    assert types("--call", "CA1") == ["call_started", "final", "final"]
    assert types("--call", "CA1", "--type", "final") == ["final", "final"]
    assert types() == ["call_started", "final", "final"]
    assert types("--to", "redis") == types("--call", "CA2") == types("--before", "1h") == []
    assert run("deliveries", "--attempts", "--to", "redis") == "No attempts are remembered.\n"
    assert "is no event's id" in refused("deliveries", "--attempts", "x")


@pytest.mark.usefixtures("call")
def test_pending_deliveries_are_selected_by_call_or_type() -> None:
    def shown(*arguments: str) -> list[tuple[str, str]]:
        found = run_json("deliveries", *arguments)["deliveries"]
        return [(each["destination"], each["type"]) for each in found]

    assert shown() == [("webhook", "call_started"), ("webhook", "final")]
    assert shown("--call", "CA1", "--type", "call_ended") == [("redis", "call_ended"), ("webhook", "call_ended")]
    assert shown("--to", "redis") == [("redis", "call_ended")]
    assert shown("--before", "1h") == shown("--call", "CA2") == []
    assert len(shown("--since", "1h")) == 4
    assert "neither an age" in refused("deliveries", "--since", "yesterday")


def waiting(destination: str = "webhook") -> list[str]:
    found = run_json("deliveries", "--to", destination, "--since", "2020-01-01")["deliveries"]
    return [each["type"] + (" (dead-lettered)" if each["dead_lettered_at"] else "") for each in found]


@pytest.mark.usefixtures("call")
def test_skipped_deliveries_can_be_retried() -> None:
    assert run("deliveries", "--skip", "--call", "CA1", "--type", "final") == (
        "Deliveries that are skipped: 1. They are dead-lettered, and --retry sends them after all.\n"
    )
    assert waiting() == ["call_started (dead-lettered)", "final (dead-lettered)", "call_ended"]
    (aside,) = run_json("deliveries", "--dead-lettered", "--type", "final")["deliveries"]
    assert aside["last_error"] == "skipped by hand"
    assert "Nothing of that waits" in refused("deliveries", "--skip", "--type", "final")
    assert run("deliveries", "--retry", "--type", "final") == "Deliveries that are tried again: 1.\n"
    assert waiting() == ["call_started (dead-lettered)", "final", "call_ended"]


@pytest.mark.usefixtures("call")
def test_discard_deletes_pending_and_dead_lettered_deliveries() -> None:
    assert run("deliveries", "--discard", "--dead-lettered", "--all") == (
        "Deliveries that are discarded: 1. The events themselves stay in the journal.\n"
    )
    assert waiting() == ["final", "call_ended"]
    run("deliveries", "--discard", "--to", "webhook")
    assert waiting() == []
    assert waiting("redis") == ["call_ended"]
    assert "Nothing of that waits" in refused("deliveries", "--discard", "--to", "webhook")


def test_replay_delivers_arrived_events_again(desk: Desk, call: Call) -> None:
    assert [record.sequence for record in desk.take_out("webhook")] == [2, 3]
    assert waiting("redis") == ["call_ended"]
    assert run("deliveries", "--replay", "--call", "CA1", "--to", "redis") == (
        "Deliveries that are made once more: 2. Each has the id that it had before.\n"
    )
    assert waiting("redis") == ["call_started", "final", "call_ended"]
    run("deliveries", "--replay", event_id(call.session, 3))
    assert waiting() == ["call_started (dead-lettered)", "call_ended"]
    assert "No such event" in refused("deliveries", "--replay", event_id(call.session, 1))
    assert "No such event" in refused("deliveries", "--replay", "--before", "1h")
    assert "There is no destination 'elsewhere'" in refused("deliveries", "--replay", "--all", "--to", "elsewhere")


def test_a_replay_sends_nothing_to_a_receiver_that_the_number_did_not_name(desk: Desk, call: Call) -> None:
    do(desk, """UPDATE voicestt_sessions SET addressed = '["webhook:crm"]'""")
    do(desk, "DELETE FROM voicestt_outbox")
    for other in ("webhook", "webhook:CRM"):
        assert "kept from this receiver" in refused(
            "deliveries", "--replay", event_id(call.session, 3), "--to", other
        )
    assert run("deliveries", "--replay", "--all", "--to", "webhook:crm").endswith("id that it had before.\n")
    assert run("deliveries", "--replay", "--all", "--to", "redis").startswith(
        "Deliveries that are made once more: 3."
    )


def test_partials_are_replayed_where_they_are_named(desk: Desk) -> None:
    call = Call()
    desk.write(call.started(), call.partial(), call.final())
    run("deliveries", "--discard", "--all")
    run("deliveries", "--replay", "--all")
    assert waiting() == ["call_started", "final"]
    run("deliveries", "--replay", "--all", "--type", "partial")
    assert waiting() == ["call_started", "partial", "final"]


def test_only_the_webhook_s_types_are_replayed_unless_others_are_named(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Call()
    desk.write(call.started(), call.partial(), call.final(), call.ended())
    run("deliveries", "--discard", "--all")
    monkeypatch.setenv("EVENTS_WEBHOOK_TYPES", "final,partial")
    run("deliveries", "--replay", "--all")
    assert waiting() == ["partial", "final"]
    run("deliveries", "--replay", "--all", "--type", "call_ended")
    run("deliveries", "--replay", event_id(call.session, 1))
    assert waiting() == ["call_started", "partial", "final", "call_ended"]
    run("deliveries", "--replay", "--all", "--to", "redis")
    assert waiting("redis") == ["call_started", "final", "call_ended"]
    monkeypatch.setenv("EVENTS_WEBHOOK_TYPES", "finals")
    assert "EVENTS_WEBHOOK_TYPES names 'finals'" in refused("deliveries", "--replay", "--all")


@pytest.mark.parametrize("action", ["--retry", "--skip", "--discard", "--replay"])
def test_a_dry_run_counts_and_changes_nothing(desk: Desk, call: Call, action: str) -> None:
    if action == "--replay":
        desk.take_out("webhook")
    before = [*waiting(), *waiting("redis")]
    said = run("deliveries", action, "--call", call.call_sid, "--to", "webhook", "--dry-run")
    count = {"--retry": 1, "--skip": 2, "--discard": 3, "--replay": 2}[action]
    assert said == f"Deliveries that {action} would be about: {count}. Nothing is changed.\n"
    assert [*waiting(), *waiting("redis")] == before
    assert do(desk, "SELECT number FROM voicestt_changes") == []


@pytest.mark.parametrize("action", ["--retry", "--skip", "--discard", "--replay"])
@pytest.mark.usefixtures("call")
def test_nothing_is_changed_without_a_choice(action: str) -> None:
    assert "needs an ID, or --call" in refused("deliveries", action)


def test_many_deliveries_are_changed_in_batches(desk: Desk) -> None:
    call = Call()
    desk.write(call.started(), *(call.final() for _ in range(1_200)))
    assert run("deliveries", "--skip", "--call", "CA1").startswith("Deliveries that are skipped: 2402.")
    assert run("deliveries", "--retry", "--to", "webhook") == "Deliveries that are tried again: 1201.\n"
    assert run("deliveries", "--discard", "--all").startswith("Deliveries that are discarded: 2402.")
    assert run("deliveries", "--replay", "--since", "1h").startswith("Deliveries that are made once more: 1201.")
    assert standing("webhook")["pending"] == 1_201
    (row,) = do(desk, "SELECT number FROM voicestt_changes")
    assert row.number == 5 + 3 + 5 + 3


def test_only_the_last_arrival_of_a_replayed_event_is_kept(desk: Desk, call: Call) -> None:
    (number,) = do(desk, "SELECT number FROM voicestt_events WHERE sequence = 2")[0]
    for at in (1_795_417_100.0, 1_795_417_200.0, 1_795_417_300.0):
        mark(desk, Delivered("webhook", [number], [Attempt(number, at, None, 200)]))
        run("deliveries", "--replay", event_id(call.session, 2))
    found = run_json("deliveries", "--attempts", event_id(call.session, 2))["attempts"]
    assert [each["at"] for each in found] == ["2026-11-23T07:01:40.000Z"]


@pytest.mark.usefixtures("call")
def test_purge_drops_the_deliveries_of_a_destination_that_is_gone() -> None:
    assert run("deliveries", "--purge", "redis") == (
        "Deliveries to redis that were dropped: 1. The events themselves stay in the journal.\n"
    )
    (webhook,) = run_json("deliveries")["destinations"]
    assert webhook["destination"] == "webhook"
    assert "Nothing waits for 'redis'" in refused("deliveries", "--purge", "redis")
    assert "exclude each other" in refused("deliveries", "--purge", "redis", "--retry-all")
