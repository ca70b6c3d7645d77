import base64
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from twisted.internet.task import Clock

from tests.server.fakes import TOKEN, settings_of
from tests.server.in_memory import HOST, Server
from voicestt.config import digests
from voicestt.config.digests import PATH, differing, digest_answers
from voicestt.config.settings import Settings, variables
from voicestt.emulators.twilio.signatures import signature
from voicestt.server.bounded_http import BoundedSite
from voicestt.server.media_factory import media_resource
from voicestt.server.root import Root
from voicestt.server.routes import Routes
from voicestt.twilio.signatures import SignatureCheck

KEY = json.dumps(
    {"type": "authorized_user", "client_id": "c", "client_secret": "very secret", "refresh_token": "r"}
)


class Answering(Server):
    """A server in memory that has digests to give."""

    def __init__(self, clock: Clock, **variables: str) -> None:
        super().__init__(clock, **variables)
        token = self.settings.twilio_auth_token if self.settings.twilio_validate else None
        media, answers = media_resource(clock, self.calls), digest_answers(self.settings, lambda: False)
        webhooks = Routes(HOST, SignatureCheck(token), self.registry, self.calls, media, answers)
        self.site = BoundedSite(Root(webhooks.app.resource()), reactor=clock)


def answer_of(settings: Settings, nonce: str = "n1") -> digests.Answer:
    answers = digest_answers(settings, lambda: settings.enable_streaming_stt)
    assert answers is not None
    return answers(nonce)


def test_equal_settings_have_no_differences() -> None:
    assert differing(settings_of(), TOKEN, "n1", answer_of(settings_of())) == []


def test_differing_settings_are_named() -> None:
    theirs = settings_of(ENABLE_STREAMING_STT="true", STT_BATCH_MS="100")
    assert differing(settings_of(), TOKEN, "n1", answer_of(theirs)) == ["ENABLE_STREAMING_STT", "STT_BATCH_MS"]


def test_a_flag_that_was_turned_in_the_running_server_differs() -> None:
    settings = settings_of(ENABLE_STREAMING_STT="true")
    turned = digest_answers(settings, lambda: False)
    assert turned is not None
    assert differing(settings, TOKEN, "n1", turned("n1")) == ["ENABLE_STREAMING_STT"]


def test_the_same_thing_written_otherwise_is_equal(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(KEY)
    ways = [KEY, base64.b64encode(KEY.encode()).decode(), str(file)]
    ours, *others = (settings_of(GOOGLE_APPLICATION_CREDENTIALS=way) for way in ways)
    assert [differing(ours, TOKEN, "n1", answer_of(other)) for other in others] == [[], []]
    assert differing(settings_of(ENABLE_STREAMING_STT="ON"), TOKEN, "n", answer_of(ours, "n")) == [
        "GOOGLE_APPLICATION_CREDENTIALS",
        "ENABLE_STREAMING_STT",
    ]


def test_every_variable_has_a_digest_and_no_value_is_told() -> None:
    said = answer_of(settings_of(GOOGLE_APPLICATION_CREDENTIALS=KEY))
    told = said["digests"]
    assert isinstance(told, dict)
    assert list(told) == [variable.name for variable in variables()]
    for value in (TOKEN, "very secret", HOST):
        assert value not in json.dumps(said)


def test_nothing_can_be_tried_without_the_token_or_taken_from_another_answer() -> None:
    settings = settings_of()
    first, second = answer_of(settings), answer_of(settings)
    assert isinstance(first["digests"], dict)
    assert isinstance(second["digests"], dict)
    everything = [*first["digests"].values(), *second["digests"].values()]
    assert len(set(everything)) == len(everything)  # equal values, other variables and other answers: all differ
    count = len(first["digests"])
    assert len(differing(settings, TOKEN, "another nonce", first)) == count
    assert len(differing(settings, "another token", "n1", first)) == count


def test_a_variable_that_only_they_have_differs() -> None:
    said = answer_of(settings_of())
    assert isinstance(said["digests"], dict)
    assert differing(settings_of(), TOKEN, "n1", {**said, "digests": {**said["digests"], "NEW": "00"}}) == ["NEW"]


def test_secrets_that_are_bytes_are_compared_as_well() -> None:
    journal = {"JOURNAL_URL": "sqlite:///journal.db", "EVENTS_WEBHOOK_URL": "https://a.example/"}
    secret = {**journal, "EVENTS_WEBHOOK_SECRET": "whsec_" + "QUFB" * 10}
    other = {**secret, "EVENTS_WEBHOOK_SECRET": "whsec_" + "QUFC" * 10}
    assert differing(settings_of(**secret), TOKEN, "n1", answer_of(settings_of(**secret))) == []
    assert differing(settings_of(**secret), TOKEN, "n1", answer_of(settings_of(**other))) == [
        "EVENTS_WEBHOOK_SECRET"
    ]


def test_the_first_of_several_tokens_is_the_key() -> None:
    theirs = settings_of(TWILIO_AUTH_TOKEN=f"{TOKEN},another")
    assert differing(settings_of(), TOKEN, "n1", answer_of(theirs)) == ["TWILIO_AUTH_TOKEN"]


@pytest.mark.parametrize("said", [{}, {"salt": 1, "digests": {}}, {"salt": "x", "digests": []}])
def test_something_else_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no salt and digests"):
        differing(settings_of(), TOKEN, "n1", said)


def test_without_a_token_there_is_no_key_and_no_answer() -> None:
    settings = Settings.from_environment({"PUBLIC_HOST": HOST, "TWILIO_VALIDATE": "false"})
    assert digest_answers(settings, lambda: True) is None


@pytest.mark.parametrize(("token", "status"), [(TOKEN, 200), ("0" * 32, 403), (None, 403)])
def test_only_whoever_can_sign_is_answered(clock: Clock, token: str | None, status: int) -> None:
    server = Answering(clock)
    form = {"nonce": "n1"}
    signed = {} if token is None else {"X-Twilio-Signature": signature(token, f"https://{HOST}{PATH}", form)}
    headers: dict[str, str | bytes] = {"Content-Type": "application/x-www-form-urlencoded", **signed}
    answer = server.http("POST", PATH, headers, urlencode(form).encode())
    assert answer.status == status
    if status == 200:
        assert answer.headers["content-type"] == "application/json"
        assert differing(server.settings, TOKEN, "n1", json.loads(answer.body)) == []
    else:
        assert b"digests" not in answer.body


def test_a_server_without_a_token_answers_nobody(clock: Clock) -> None:
    server = Answering(clock, TWILIO_VALIDATE="false", TWILIO_AUTH_TOKEN="")
    assert (
        server.http("POST", PATH, {"Content-Type": "application/x-www-form-urlencoded"}, b"nonce=1").status == 403
    )


def test_a_server_that_validates_nothing_gives_no_digests(clock: Clock) -> None:
    server = Answering(clock, TWILIO_VALIDATE="false")
    body = urlencode({"nonce": "n"}).encode()
    answer = server.http("POST", PATH, {"Content-Type": "application/x-www-form-urlencoded"}, body)
    assert (answer.status, b"digest" in answer.body) == (403, False)


def test_guessing_the_key_of_digests_is_expensive(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, int]] = []
    real = hashlib.scrypt

    def scrypt(password: bytes, **parameters: Any) -> bytes:
        asked.append(parameters)
        return real(password, **parameters)

    monkeypatch.setattr("voicestt.config.digests.hashlib.scrypt", scrypt)
    answer_of(settings_of())
    (parameters,) = asked
    assert parameters["n"] * parameters["r"] * 128 >= 8_000_000  # bytes of memory for one trial


def test_networks_have_digests_too() -> None:
    assert differing(settings_of(), TOKEN, "n1", answer_of(settings_of(TRUSTED_PROXIES="10.0.0.0/8"))) == [
        "TRUSTED_PROXIES"
    ]
