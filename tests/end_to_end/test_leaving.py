"""An application ends a call, or hands it on, by a REST API that does what Twilio's does to the caller."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from twisted.internet.defer import Deferred, gatherResults

from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.leaver import DESK
from tests.end_to_end.rig import Server, running_server, scripted_google
from tests.handler.twilio_api import Asked, TwilioApi
from tests.recognisers.on_reactor import on_reactor, reactor, soon
from voicestt.emulators.twilio.call_values import CallOptions, CallReport
from voicestt.emulators.twilio.caller import CallControl, place_call
from voicestt.emulators.twilio.schedule import parse_dtmf

ROOT = Path(__file__).resolve().parents[2]
SAID = {"utterances": [{"text": "I have had enough of this", "start": 0.1, "end": 0.6}], "final_delay": 0.1}
KEY_AT, WHOLE = 1.0, 4.0


class Exchange(TwilioApi):
    """Twilio: a call that it ends, or hands on, says `stop` and closes its stream."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[str, CallControl] = {}

    def put_through(self, control: CallControl) -> CallControl:
        """It can be asked to do something with this call."""
        self._calls[control.call_sid] = control
        return control

    def answer(self, asked: Asked) -> bytes:
        if self.status < 400:
            reactor.callFromThread(self._calls[name_in(asked)].hang_up)
        return super().answer(asked)


def name_in(asked: Asked) -> str:
    """Which call it is about."""
    return asked.path.rpartition("/")[2].removesuffix(".json")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    made = Exchange()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def server(exchange: Exchange, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("leaving")
    settings = {
        "HANDLER": "tests.end_to_end.leaver:Leaver",
        "PYTHONPATH": str(ROOT),
        "TWILIO_API_URL": exchange.url,
        "GREETING": "off",
    }
    with scripted_google(SAID) as google, running_server(folder, google.port, **settings) as made:
        yield made
        assert "Traceback" not in made.output
        assert DESK.lstrip("+") not in made.output


async def pressed(
    server: Server, exchange: Exchange, *keys: str
) -> tuple[list[CallControl], Sequence[CallReport]]:
    """A call for each key, all at once; what became of them."""
    controls = [exchange.put_through(CallControl()) for _ in keys]
    clip = as_mulaw(speech(5, WHOLE, (0.1, 0.6)))
    calls = [
        place_call(
            reactor,
            server.target,
            clip,
            CallOptions(silence=0, inserts=parse_dtmf(f"{KEY_AT:g}:{key}")),
            control=control,
        )
        for key, control in zip(keys, controls, strict=True)
    ]
    placed = gatherResults([Deferred.fromCoroutine(call) for call in calls])
    return controls, await soon(placed)


@on_reactor
async def test_a_key_ends_the_call_and_another_hands_it_on(server: Server, exchange: Exchange) -> None:
    controls, reports = await pressed(server, exchange, "#", "0")
    for control, report in zip(controls, reports, strict=True):
        assert report.ok, report.problems
        assert KEY_AT < report.seconds < WHOLE
        server.wait_for_final(control.call_sid)
        server.wait_for(f"{control.call_sid}: ")
    asked = {name_in(each): each for each in exchange.asked}
    hung_up, handed_on = (asked[control.call_sid] for control in controls)
    for control, each in zip(controls, (hung_up, handed_on), strict=True):
        account = control.sids.account
        assert each.path == f"/2010-04-01/Accounts/{account}/Calls/{control.call_sid}.json"
        assert (each.user, each.password) == (account, server.services.auth_token)
    assert hung_up.form == {"Status": "completed"}
    assert list(handed_on.form) == ["Twiml"]
    document = ET.fromstring(handed_on.form["Twiml"])
    assert [element.tag for element in document.iter()] == ["Response", "Dial", "Number"]
    assert document.findtext("./Dial/Number") == DESK
    assert server.saying(": hung up") == [f"{controls[0].call_sid}: hung up"]
    assert server.saying(": handed on") == [f"{controls[1].call_sid}: handed on"]


@on_reactor
async def test_a_call_that_twilio_does_not_hand_on_goes_on_and_one_that_it_does_not_end_is_closed(
    server: Server, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "status", 400)
    monkeypatch.setattr(exchange, "code", 13224)
    controls, (closed, kept) = await pressed(server, exchange, "#", "0")
    assert kept.ok, kept.problems
    assert kept.seconds == WHOLE
    assert closed.seconds < WHOLE
    assert server.saying(": still here") == [f"{controls[1].call_sid}: still here"]
    assert server.saying(": stream closed") == [f"{controls[0].call_sid}: stream closed"]
    (line,) = server.saying("was not handed on")
    assert "13224" in line
    kinds = [event["type"] for event in server.journal(controls[1].call_sid)]
    assert kinds.count("dtmf") == 1
    assert kinds.count("final") == 1
