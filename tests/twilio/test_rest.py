import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.handler.twilio_api import TOKEN, Asked, TwilioApi
from voicestt.twilio.rest import (
    BadNumber,
    CallAlreadyEnded,
    CallOrder,
    TwilioCalls,
    TwilioRefused,
    dial,
)

NUMBER = "+972501234567"
BAD_NUMBER = "a call goes to a number such as +972501234567, or to an address such as sip:desk@example.com"


@pytest.fixture
def calls(twilio_api: TwilioApi) -> TwilioCalls:
    return TwilioCalls(TOKEN, twilio_api.url)


def refused(action: Callable[[], object]) -> str:
    """The words of its refusal."""
    with pytest.raises(TwilioRefused) as caught:
        action()
    return str(caught.value)


def test_hanging_up_completes_the_call(calls: TwilioCalls, twilio_api: TwilioApi) -> None:
    calls.hang_up("AC1", "CA1")
    path = "/2010-04-01/Accounts/AC1/Calls/CA1.json"
    assert twilio_api.asked == [Asked(path, "AC1", TOKEN, {"Status": "completed"})]


def test_a_call_goes_on_with_other_twiml(calls: TwilioCalls, twilio_api: TwilioApi) -> None:
    calls.transfer("AC1", "CA1", dial(NUMBER))
    (asked,) = twilio_api.asked
    assert ET.fromstring(asked.form["Twiml"]).findtext("./Dial/Number") == NUMBER


def test_a_call_is_moved_by_a_url(calls: TwilioCalls, twilio_api: TwilioApi) -> None:
    calls.move("AC1", "CA1", "https://voice.example.com/webhook?again=0")
    (asked,) = twilio_api.asked
    assert asked.form == {"Url": "https://voice.example.com/webhook?again=0", "Method": "POST"}


@pytest.mark.parametrize(("status", "code"), [(404, 20404), (400, 21220)])
def test_a_call_that_is_over_is_not_moved(
    calls: TwilioCalls, twilio_api: TwilioApi, status: int, code: int
) -> None:
    twilio_api.status, twilio_api.code = status, code
    with pytest.raises(CallAlreadyEnded):
        calls.move("AC1", "CA1", "https://voice.example.com/")


def test_a_refused_token_is_followed_by_the_others(twilio_api: TwilioApi) -> None:
    twilio_api.status = 401
    calls = TwilioCalls("old", twilio_api.url, others=("new", "subaccount"))
    assert "TWILIO_AUTH_TOKEN is not" in refused(lambda: calls.hang_up("AC1", "CA1"))
    assert [asked.password for asked in twilio_api.asked] == ["old", "new", "subaccount"]


def test_what_is_no_question_of_the_token_is_asked_once(twilio_api: TwilioApi) -> None:
    twilio_api.status = 429
    calls = TwilioCalls("old", twilio_api.url, others=("new",))
    refused(lambda: calls.hang_up("AC1", "CA1"))
    assert len(twilio_api.asked) == 1


def test_a_call_is_placed(calls: TwilioCalls, twilio_api: TwilioApi) -> None:
    twilio_api.status = 201
    twilio_api.body = b'{"sid": "CA7", "status": "queued"}'
    order = CallOrder("AC1", NUMBER, "+972771234567", "https://voice.example.com/hook", ring_seconds=20)
    assert calls.create(order) == "CA7"
    assert calls.create(replace(order, detects_machines=True)) == "CA7"
    assert calls.create(replace(order, url=None, twiml="<Response/>")) == "CA7"
    numbers = {"To": NUMBER, "From": "+972771234567", "Timeout": "20"}
    by_url = {**numbers, "Url": "https://voice.example.com/hook", "Method": "POST"}
    assert {asked.path for asked in twilio_api.asked} == {"/2010-04-01/Accounts/AC1/Calls.json"}
    assert [asked.form for asked in twilio_api.asked] == [
        by_url,
        {**by_url, "MachineDetection": "Enable"},
        {**numbers, "Twiml": "<Response/>"},
    ]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, 21215, "21215 (it did not accept the request): the account may not call this country"),
        (400, 21210, "--from is none of the account's numbers"),
        (404, 20404, "it knows no such account"),
        (401, 20003, "TWILIO_AUTH_TOKEN is not"),
    ],
)
def test_a_call_that_is_not_placed_is_refused_in_words_without_numbers(
    calls: TwilioCalls, twilio_api: TwilioApi, status: int, code: int, words: str
) -> None:
    twilio_api.status, twilio_api.code = status, code
    order = CallOrder("AC1", NUMBER, "+972771234567", "https://voice.example.com/hook")
    said = refused(lambda: calls.create(order))
    assert words.split(" (", maxsplit=1)[0] in said
    assert words.rsplit(": ", maxsplit=1)[-1] in said
    assert "972" not in said + repr(order)


def test_nothing_is_asked_for_a_number_or_an_account_that_is_none(
    calls: TwilioCalls, twilio_api: TwilioApi
) -> None:
    with pytest.raises(BadNumber):
        calls.create(CallOrder("AC1", "0501234567", NUMBER, "https://voice.example.com/hook"))
    with pytest.raises(BadNumber):
        calls.create(CallOrder("AC1", NUMBER, "", "https://voice.example.com/hook"))
    assert "account" in refused(lambda: calls.create(CallOrder("", NUMBER, NUMBER, "https://x.example")))
    assert twilio_api.asked == []


def test_a_call_that_has_ended_is_hung_up_already(calls: TwilioCalls, twilio_api: TwilioApi) -> None:
    twilio_api.status, twilio_api.code = 400, 21220
    calls.hang_up("AC1", "CA1")
    assert "21220" in refused(lambda: calls.transfer("AC1", "CA1", dial(NUMBER)))


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, 13224, "Twilio answered 400, error 13224: https://www.twilio.com/docs/errors/13224"),
        (401, 20003, "TWILIO_AUTH_TOKEN is not that of the call's account"),
        (404, 20404, "no such call"),
        (429, 20429, "too often"),
        (500, None, "Twilio answered 500 (it has trouble itself)"),
        (301, None, "Twilio answered 301"),
    ],
)
def test_a_refusal_says_what_it_means_without_numbers_or_secrets(
    calls: TwilioCalls, twilio_api: TwilioApi, status: int, code: int | None, words: str
) -> None:
    twilio_api.status, twilio_api.code = status, code
    said = refused(lambda: calls.transfer("AC1", "CA1", dial(NUMBER)))
    assert words in said
    assert NUMBER not in said
    assert TOKEN not in said


def test_an_answer_that_is_none_is_a_refusal(calls: TwilioCalls, twilio_api: TwilioApi) -> None:
    twilio_api.body = b"<html>"
    assert "JSONDecodeError" in refused(lambda: calls.hang_up("AC1", "CA1"))


def test_an_answer_that_never_comes_is_waited_for_no_longer_than_said(twilio_api: TwilioApi) -> None:
    twilio_api.holds = True
    calls = TwilioCalls(TOKEN, twilio_api.url, seconds=0.2)
    assert refused(lambda: calls.hang_up("AC1", "CA1")) == "Twilio did not answer within 0.2 s"


def test_nobody_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    calls = TwilioCalls(TOKEN, f"http://127.0.0.1:{port}")
    assert refused(lambda: calls.hang_up("AC1", "CA1")) == "Twilio's API cannot be reached"


@pytest.mark.parametrize(("account", "call"), [("", "CA1"), ("AC1", ""), ("AC1", "../../x"), ("AC1/Calls", "CA1")])
def test_what_is_no_call_is_not_asked_for(
    calls: TwilioCalls, twilio_api: TwilioApi, account: str, call: str
) -> None:
    assert "did not say which call" in refused(lambda: calls.hang_up(account, call))
    assert twilio_api.asked == []


def test_several_threads_may_ask_at_once(calls: TwilioCalls, twilio_api: TwilioApi) -> None:
    threads = [
        threading.Thread(target=calls.hang_up, args=("AC1", f"CA{number}"), daemon=True) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {asked.path.rpartition("/")[2] for asked in twilio_api.asked} == {f"CA{n}.json" for n in range(8)}


@pytest.mark.parametrize("number", ["+12", "+972501234567", "+123456789012345"])
def test_a_phone_number_is_dialled(number: str) -> None:
    assert ET.fromstring(dial(number)).findtext("./Dial/Number") == number


@pytest.mark.parametrize(
    "address", ["sip:desk@example.com", "sips:a.b+c@10.0.0.1:5061;transport=tls", "sip:d@example.com?x-shop=7&y=2"]
)
def test_a_sip_address_is_dialled(address: str) -> None:
    assert ET.fromstring(dial(address)).findtext("./Dial/Sip") == address


@pytest.mark.parametrize(
    "wrong",
    [
        "", "0501234567", "+0123", "+1234567890123456", "+1 234", "+12\n", "972501234567", "sip:", "sip:a",
        "sip:a@", "sip:a@b c", "sip:a@<b>", "tel:+12", "sip:" + "a" * 250 + "@b.example",
    ],
)  # fmt: skip
def test_what_is_neither_is_refused_without_being_repeated(wrong: str) -> None:
    with pytest.raises(BadNumber) as caught:
        dial(wrong)
    assert str(caught.value) == BAD_NUMBER


@given(st.text())
def test_whatever_is_dialled_it_is_one_well_formed_destination_or_refused(text: str) -> None:
    try:
        twiml = dial(text)
    except BadNumber:
        return
    (dialled,) = ET.fromstring(twiml)
    (destination,) = dialled
    assert destination.text == text


def test_preparing_asks_nobody(calls: TwilioCalls, twilio_api: TwilioApi) -> None:
    calls.prepare()
    assert twilio_api.asked == []
