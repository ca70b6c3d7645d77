from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.handler.conftest import twilio_api
from tests.handler.twilio_api import TOKEN, TwilioApi
from voicestt.cli import main

__all__ = ["twilio_api"]  # a fixture

TO = "+15555550143"
USUAL = ["--to", TO, "--from", "+15555550142", "--account", "AC1"]


def run(api: TwilioApi, *arguments: str, **environment: str) -> Result:
    variables = {
        "PUBLIC_HOST": "voice.example.com",
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_API_URL": api.url,
        "TWILIO_NUMBER": "",
        "TWILIO_ACCOUNT_SID": "",
        "VOICESTT_ENV_FILE": "",
    }
    return CliRunner().invoke(main, ["dial", *arguments], env=variables | environment)


@pytest.fixture
def api(twilio_api: TwilioApi) -> TwilioApi:
    twilio_api.body = b'{"sid": "CA7", "status": "queued"}'
    return twilio_api


def test_a_number_is_rung_and_its_call_comes_to_this_server(api: TwilioApi) -> None:
    result = run(api, *USUAL)
    assert (result.exit_code, result.output) == (0, "CA7: ...0143 is being rung.\n")
    (asked,) = api.asked
    assert (asked.user, asked.password) == ("AC1", TOKEN)
    assert asked.form["Url"] == "https://voice.example.com/webhook/incoming_call"
    assert "MachineDetection" not in asked.form


def test_the_account_and_our_number_may_come_from_the_environment(api: TwilioApi) -> None:
    result = run(api, "--to", TO, TWILIO_NUMBER="+15555550142", TWILIO_ACCOUNT_SID="AC2")
    assert (result.exit_code, api.asked[0].user) == (0, "AC2"), result.output


@pytest.mark.parametrize(("machine", "query"), [("tell", ""), ("hang-up", "?machine=hang-up")])
def test_twilio_is_asked_who_picked_up(api: TwilioApi, machine: str, query: str) -> None:
    assert run(api, *USUAL, "--machine", machine).exit_code == 0
    assert api.asked[0].form["MachineDetection"] == "Enable"
    assert api.asked[0].form["Url"] == f"https://voice.example.com/webhook/incoming_call{query}"


def test_a_document_of_one_s_own_goes_along(api: TwilioApi, tmp_path: Path) -> None:
    document = tmp_path / "own.xml"
    document.write_text("<Response><Say>שלום</Say></Response>", "utf-8")
    assert run(api, *USUAL, "--twiml", str(document)).exit_code == 0
    assert "Url" not in api.asked[0].form
    assert "שלום" in api.asked[0].form["Twiml"]
    assert "leave --twiml out" in run(api, *USUAL, "--twiml", str(document), "--machine", "tell").output


def test_what_is_wrong_is_said_before_anybody_is_rung(api: TwilioApi, tmp_path: Path) -> None:
    assert "a call goes to a number" in run(api, *USUAL, "--to", "0501234567").output
    assert "TWILIO_AUTH_TOKEN is not set" in run(api, *USUAL, TWILIO_AUTH_TOKEN="").output
    assert "PUBLIC_HOST" in run(api, *USUAL, PUBLIC_HOST="").output
    assert "no such file" in run(api, *USUAL, VOICESTT_ENV_FILE=str(tmp_path / "gone")).output.lower()
    assert api.asked == []


def test_a_refusal_is_an_error_in_words(api: TwilioApi) -> None:
    api.status, api.code, api.body = 400, 21210, None
    result = run(api, *USUAL)
    assert result.exit_code == 1
    assert "Nobody is rung: Twilio answered 400, error 21210" in result.output
    assert TO not in result.output
