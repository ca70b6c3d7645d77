"""Calls that we place: rung by `voicestt dial`, answered by the simulated Twilio, heard as any other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.rig import Server, running_server, scripted_google
from tests.recognisers.on_reactor import reactor
from voicestt.emulators.twilio.call_values import CallOptions, CallReport
from voicestt.emulators.twilio.caller import place_call
from voicestt.emulators.twilio.rest_api import TwilioRestApi
from voicestt.ops.services import free_port

SAID = {"utterances": [{"text": "שלום אני עונה", "start": 0.6, "end": 1.8}], "final_delay": 0.2}
OURS, THEIRS = "+15555550142", "+15555550143"


@dataclass(frozen=True)
class Dialled:
    """Two calls that were placed: a person picks up the first, a machine the second."""

    server: Server
    sids: list[str]
    reports: list[CallReport]


async def dialled(server: Server, api: TwilioRestApi, *options: str, by: str = "human") -> tuple[str, CallReport]:
    said = await deferToThread(server.asked, "dial", "--to", THEIRS, "--from", OURS, "--account", "AC7", *options)
    assert THEIRS not in said
    clip = as_mulaw(speech(7, 2.4, (0.6, 1.8)))
    options_ = CallOptions(silence=1.0, answered_by=by)
    report = await place_call(reactor, server.target, clip, options_, control=await api.next_placed())
    return said.partition(":")[0], report


async def both(server: Server, api: TwilioRestApi) -> list[tuple[str, CallReport]]:
    api.listen(reactor, int(server.environment["TWILIO_API_URL"].rpartition(":")[2]))
    try:
        return [
            await dialled(server, api, "--machine", "tell"),
            await dialled(server, api, "--machine", "hang-up", by="machine_start"),
        ]
    finally:
        await api.close()


@pytest.fixture(scope="module")
def two_calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dialled]:
    folder: Path = tmp_path_factory.mktemp("dialling")
    settings = {"TWILIO_API_URL": f"http://127.0.0.1:{free_port()}", "REQUIRE_KNOWN_CALL": "true"}
    with scripted_google(SAID) as google, running_server(folder, google.port, **settings) as server:
        api = TwilioRestApi(server.services.auth_token)
        calls = pytest_twisted.blockon(Deferred.fromCoroutine(both(server, api)))
        server.wait_for("Call ended:")
        yield Dialled(server, [sid for sid, _ in calls], [report for _, report in calls])
        assert "Traceback" not in server.output


def test_the_call_that_is_picked_up_is_a_call_as_any_other(two_calls: Dialled) -> None:
    sid, report = two_calls.sids[0], two_calls.reports[0]
    assert report.ok, report.problems
    assert report.call_sid == sid
    events = two_calls.server.journal(sid)
    assert [event["text"] for event in events if event["type"] == "final"] == ["שלום אני עונה"]
    started = next(event for event in events if event["type"] == "call_started")
    assert (started["from"], started["to"]) == (OURS, THEIRS)


def test_the_log_says_who_picked_up_and_no_number(two_calls: Dialled) -> None:
    assert two_calls.server.saying("A call that we placed is answered by human.")
    assert OURS not in two_calls.server.output
    assert THEIRS not in two_calls.server.output


def test_a_machine_is_left(two_calls: Dialled) -> None:
    sid, report = two_calls.sids[1], two_calls.reports[1]
    assert (report.verbs, report.streams) == (("Hangup",), ())
    assert two_calls.server.journal(sid) == []
