"""The simulated REST API, asked by twilio-python as the server asks it."""

import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any, cast
from urllib.request import Request, urlopen

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread

from tests.emulators.twilio.answering import STREAM, Answering, Server, Socket, response, with_reactor
from voicestt.emulators.twilio.call_values import CallOptions, CallReport, ServerTarget
from voicestt.emulators.twilio.caller import CallControl, place_call
from voicestt.emulators.twilio.placed import problem_with_order
from voicestt.emulators.twilio.rest_api import REFUSALS, TwilioRestApi
from voicestt.twilio.rest import CallOrder, TwilioCalls, TwilioRefused

TOKEN = "12345678901234567890123456789012"
CLIP = b"\x10\x90" * 240_000
CONNECT = response(f"<Connect>{STREAM}</Connect>")


@pytest.fixture
def answering() -> Answering:
    return Answering(twiml=CONNECT)


@pytest.fixture
def target(answering: Answering) -> Iterator[ServerTarget]:
    from twisted.internet import reactor

    server = Server(reactor, answering)
    yield ServerTarget(server.url, "demo.example", TOKEN)
    pytest_twisted.blockon(server.close())


@pytest.fixture
def api() -> Iterator[TwilioRestApi]:
    from twisted.internet import reactor

    made = TwilioRestApi(TOKEN)
    made.listen(cast("Any", reactor))
    yield made
    pytest_twisted.blockon(Deferred.fromCoroutine(made.close()))


def client(api: TwilioRestApi, token: str = TOKEN, seconds: float = 10.0) -> TwilioCalls:
    return TwilioCalls(token, api.url, seconds)


async def calling(target: ServerTarget, control: CallControl, seconds: float = 1.0) -> CallReport:
    from twisted.internet import reactor

    clip = CLIP[: round(seconds * 8_000)]
    return await place_call(cast("Any", reactor), target, clip, CallOptions(silence=0), control=control)


Do = Callable[[str, str], Any]


def once_heard(*do: Do) -> Callable[[Socket, dict[str, Any]], None]:
    """Does, in threads, the first thing at the fifth frame of a call's first stream, the next in its next."""
    begun: dict[str, tuple[str, str]] = {}
    streams: dict[str, int] = {}

    def react(_socket: Socket, message: dict[str, Any]) -> None:
        if message["event"] == "start":
            begun[message["streamSid"]] = message["start"]["accountSid"], message["start"]["callSid"]
        elif message["event"] == "media" and message["media"]["chunk"] == "5":
            account, call = begun[message["streamSid"]]
            streams[call] = number = streams.get(call, 0) + 1
            if number <= len(do):
                # Not the reactor's own threads: they resolve the callers' names, and these wait for the reactor.
                threading.Thread(target=do[number - 1], args=(account, call), daemon=True).start()

    return react


async def refusal(doing: Deferred[Any]) -> str:
    with pytest.raises(TwilioRefused) as raised:
        await doing
    return str(raised.value)


@with_reactor
async def test_a_call_is_hung_up(answering: Answering, target: ServerTarget, api: TwilioRestApi) -> None:
    answering.react = once_heard(client(api).hang_up)
    report = await calling(target, api.new_call(), 60)
    assert report.ok, report.problems
    assert report.ended_by == "api"
    assert answering.events() == ["connected", "start", "media", "stop"]
    assert [request.form for request in api.requests] == [{"Status": "completed"}]


@with_reactor
async def test_a_call_is_given_other_twiml(answering: Answering, target: ServerTarget, api: TwilioRestApi) -> None:
    twiml = response("<Dial timeout='0'>desk</Dial>")
    answering.react = once_heard(lambda account, call: client(api).transfer(account, call, twiml))
    report = await calling(target, api.new_call(), 2.0)
    assert report.ok, report.problems
    assert (report.verbs, report.updates) == (("Connect", "Dial"), 1)


@with_reactor
async def test_a_dozen_calls_are_moved_by_url_and_each_goes_on_under_its_name(
    answering: Answering, target: ServerTarget, api: TwilioRestApi
) -> None:
    url = "https://demo.example/webhook/moved"

    def move(account: str, call: str) -> None:
        assert ask(api, account, call, Url=url, Method="POST")["status"] == "in-progress"

    answering.react = once_heard(move, client(api).hang_up)
    controls = [api.new_call() for _ in range(12)]
    placed = [Deferred.fromCoroutine(calling(target, control, 60)) for control in controls]
    reports: list[CallReport] = await gatherResults(placed)
    assert [report.problems for report in reports] == [()] * 12
    assert {len(report.streams) for report in reports} == {2}
    starts = [message["start"]["callSid"] for message in answering.messages if message["event"] == "start"]
    assert sorted(starts) == sorted(2 * [control.call_sid for control in controls])
    assert len({leg.stream_sid for report in reports for leg in report.streams}) == 24


def ask(api: TwilioRestApi, account: str, call: str, *, user: str | None = None, **form: str) -> dict[str, Any]:
    """Asks by urllib: what twilio-python's wrapper does not do."""
    from urllib.error import HTTPError
    from urllib.parse import urlencode

    credentials = b64encode(f"{user or account}:{TOKEN}".encode()).decode()
    request = Request(
        f"{api.url}/2010-04-01/Accounts/{account}/Calls/{call}.json",
        urlencode(form).encode() if form else None,
        {"Authorization": f"Basic {credentials}"},
    )
    try:
        with urlopen(request, timeout=20) as answer:
            body: dict[str, Any] = json.load(answer)
    except HTTPError as error:
        body = json.load(error)
    return body


@with_reactor
async def test_a_call_can_be_looked_at_before_and_after(target: ServerTarget, api: TwilioRestApi) -> None:
    control = api.new_call()
    sids = control.sids
    before = await deferToThread(ask, api, sids.account, sids.call)
    assert before["status"] == "queued"
    assert (before["sid"], before["account_sid"]) == (sids.call, sids.account)
    await calling(target, control, 0.1)
    assert (await deferToThread(ask, api, sids.account, sids.call))["status"] == "completed"


OURS, THEIRS = "+15555550142", "+15555550143"


@with_reactor
async def test_a_call_that_is_placed_is_answered_and_asks_its_url(
    answering: Answering, target: ServerTarget, api: TwilioRestApi
) -> None:
    order = CallOrder("AC7", THEIRS, OURS, "https://demo.example/webhook/picked-up", detects_machines=True)
    sid = await deferToThread(client(api).create, order)
    assert (await deferToThread(ask, api, "AC7", sid))["status"] == "queued"
    control = await api.next_placed()
    assert control.call_sid == sid
    report = await calling(target, control, 0.1)
    assert report.ok, report.problems
    path, _, form = answering.posts[0]
    assert path == "/webhook/picked-up"
    shown = {name: form[name] for name in ("AccountSid", "CallSid", "CallStatus", "Direction", "AnsweredBy")}
    assert shown == {
        "AccountSid": "AC7",
        "CallSid": sid,
        "CallStatus": "in-progress",
        "Direction": "outbound-api",
        "AnsweredBy": "human",
    }
    assert (form["From"], form["To"], form["Caller"], form["Called"]) == (OURS, THEIRS, OURS, THEIRS)
    after = await deferToThread(ask, api, "AC7", sid)
    assert (after["status"], after["direction"], after["to"]) == ("completed", "outbound-api", THEIRS)


@with_reactor
async def test_a_call_that_is_placed_with_its_twiml_asks_for_none(
    answering: Answering, target: ServerTarget, api: TwilioRestApi
) -> None:
    await deferToThread(client(api).create, CallOrder("AC7", THEIRS, OURS, twiml=CONNECT))
    report = await calling(target, await api.next_placed(), 0.1)
    assert (report.ok, report.verbs) == (True, ("Connect",)), report.problems
    assert {form.get("StreamEvent") for _, _, form in answering.posts} == {"stream-started", "stream-stopped"}


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"From": OURS, "Url": "https://x.example"}, 21201),
        ({"To": THEIRS, "Url": "https://x.example"}, 21213),
        ({"To": "0501", "From": OURS, "Url": "https://x.example"}, 21211),
        ({"To": THEIRS, "From": "me", "Url": "https://x.example"}, 21212),
        ({"To": THEIRS, "From": OURS}, 21205),
        ({"To": THEIRS, "From": OURS, "Url": "ftp://x.example"}, 21205),
        ({"To": THEIRS, "From": OURS, "Url": "https://x.example", "Twiml": "<Response/>"}, 20001),
    ],
)
def test_orders_that_twilio_refuses(form: dict[str, str], code: int) -> None:
    problem = problem_with_order(form)
    assert problem is not None
    assert (problem.status, problem.code) == (400, code)


@with_reactor
async def test_an_order_is_refused_as_any_request(api: TwilioRestApi) -> None:
    order = CallOrder("AC7", THEIRS, OURS, "https://x.example")
    assert "20003" in await refusal(deferToThread(client(api, "x" * 32).create, order))
    api.refuse(503)
    assert "503" in await refusal(deferToThread(client(api).create, order))
    api.hold()
    assert "did not answer" in await refusal(deferToThread(client(api, seconds=0.2).create, order))


@with_reactor
async def test_what_twilio_refuses_is_refused_with_its_number(target: ServerTarget, api: TwilioRestApi) -> None:
    control = api.new_call()
    account, call = control.sids.account, control.call_sid
    wrong = await refusal(deferToThread(client(api, "x" * 32).hang_up, account, call))
    assert "401, error 20003" in wrong
    assert (await deferToThread(ask, api, account, call, user="AC1"))["code"] == 20003
    assert "404, error 20404" in await refusal(deferToThread(client(api).hang_up, account, "CA1"))
    assert (await deferToThread(ask, api, account, call, Url="ftp://x"))["code"] == 21205
    assert (await deferToThread(ask, api, account, call, Url="http://x", Twiml="y"))["status"] == 400
    assert (await deferToThread(ask, api, account, call, Other="1"))["status"] == "queued"
    await calling(target, control, 0.1)
    assert "404, error 20404" in await refusal(deferToThread(client(api).hang_up, account, call))


@with_reactor
async def test_a_call_that_is_over_may_be_21220_too(target: ServerTarget) -> None:
    from twisted.internet import reactor

    api = TwilioRestApi(None, keeps_calls=True)
    api.listen(cast("Any", reactor))
    control = api.new_call()
    await calling(target, control, 0.1)
    twiml = response("")
    moved = deferToThread(client(api, "any").transfer, control.sids.account, control.call_sid, twiml)
    assert "400, error 21220" in await refusal(moved)
    await deferToThread(client(api, "any").hang_up, control.sids.account, control.call_sid)
    await api.close()


@pytest.mark.parametrize("status", [429, 503])
@with_reactor
async def test_refusals_can_be_asked_for(api: TwilioRestApi, status: int) -> None:
    control = api.new_call()
    api.refuse(status, 2)
    for _ in range(2):
        asked = deferToThread(ask, api, control.sids.account, control.call_sid, Status="completed")
        assert (await asked)["code"] == REFUSALS[status].code
    asked = deferToThread(ask, api, control.sids.account, control.call_sid, Status="completed")
    assert (await asked)["sid"] == control.call_sid


@with_reactor
async def test_no_answer_can_be_asked_for(api: TwilioRestApi) -> None:
    control = api.new_call()
    api.hold()
    asked = deferToThread(client(api, seconds=0.2).hang_up, control.sids.account, control.call_sid)
    assert "did not answer within 0.2 s" in await refusal(asked)
