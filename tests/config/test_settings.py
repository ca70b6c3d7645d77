import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.test_credentials import KEY, TEXT
from tests.server.fakes import ENVIRONMENT, TOKEN, settings_of
from voicestt.config.settings import BadSettings, Settings, variables

DEFAULTS: dict[str, tuple[str, Any, str | None]] = {
    # variable: (field, value, as it would be typed)
    "ENABLE_STREAMING_STT": ("enable_streaming_stt", False, "false"),
    "STT_BATCH_MS": ("batch_ms", 150, "150"),
    "STT_PARTIAL_DEBOUNCE_MS": ("partial_debounce_ms", 180, "180"),
    "GCP_STT_MODEL": ("model", "phone_call", "phone_call"),
    "GCP_STT_LANGUAGE": ("language", "he-IL", "he-IL"),
    "GCP_STT_PUNCTUATION_INTERIM": ("punctuation_interim", False, "false"),
    "GCP_STT_PUNCTUATION_FINAL": ("punctuation_final", True, "true"),
    "GOOGLE_APPLICATION_CREDENTIALS": ("credentials", None, None),
    "GCP_STT_ENDPOINT": ("endpoint", None, None),
    "GCP_STT_INSECURE": ("insecure", False, "false"),
    "STT_ENGINE": ("engine", "google", "google"),
    "TWILIO_VALIDATE": ("twilio_validate", True, "true"),
    "REQUIRE_KNOWN_CALL": ("require_known_call", False, "false"),
    "EVENTS_FILE": ("events_file", None, None),
    "PORT": ("port", 5000, "5000"),
}


def problems_of(**environ: str) -> list[str]:
    with pytest.raises(BadSettings) as caught:
        Settings.from_environment(environ)
    return caught.value.problems


def problem_with(**environ: str) -> str:
    (problem,) = problems_of(**{**ENVIRONMENT, **environ})
    return problem


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_those_of_the_issue(name: str) -> None:
    field, value, typed = DEFAULTS[name]
    assert getattr(settings_of(), field) == value
    (variable,) = (variable for variable in variables() if variable.name == name)
    assert variable.default == typed


def test_the_host_and_the_token_are_required() -> None:
    host, token = problems_of()
    assert host.startswith("PUBLIC_HOST is not set. ")
    assert token.startswith("TWILIO_AUTH_TOKEN is not set. ")


def test_the_token_is_not_needed_where_nothing_is_validated() -> None:
    settings = Settings.from_environment({"PUBLIC_HOST": "a.example", "TWILIO_VALIDATE": "false"})
    assert settings.twilio_auth_token is None


def test_every_problem_is_listed_at_once() -> None:
    problems = problems_of(
        PUBLIC_HOST="not a host",
        PORT="70000",
        ENABLE_STREAMING_STT="perhaps",
        STT_BATCH_MS="1.5",
        STT_PARTIAL_DEBOUNCE_MS="-1",
        GCP_STT_MODEL="a model",
        GCP_STT_LANGUAGE="hebrew!",
        GOOGLE_APPLICATION_CREDENTIALS="{",
        GCP_STT_ENDPOINT="nowhere",
        STT_ENGINE="siri",
        STT_DRAIN_SECONDS="soon",
        IDLE_SECONDS="nan",
    )
    assert [problem.split(" ", 1) for problem in problems] == [
        ["PUBLIC_HOST", "is not a host name such as voice.example.com"],
        ["GOOGLE_APPLICATION_CREDENTIALS", "is not JSON"],
        ["GCP_STT_LANGUAGE", "is not a BCP-47 code such as he-IL"],
        ["ENABLE_STREAMING_STT", "is neither true nor false"],
        ["GCP_STT_MODEL", "is not a model's name such as default"],
        ["STT_BATCH_MS", "is not a whole number"],
        ["STT_PARTIAL_DEBOUNCE_MS", "is not between 0 and 10000"],
        ["GCP_STT_ENDPOINT", "is not HOST:PORT"],
        ["STT_ENGINE", "is not one of: google, embedded"],
        ["STT_DRAIN_SECONDS", "is not a number of seconds"],
        ["IDLE_SECONDS", "is not between 1 and 3600"],
        ["PORT", "is not between 0 and 65535"],
        problems[-1].split(" ", 1),
    ]
    assert problems[-1].startswith("TWILIO_AUTH_TOKEN is not set")


@pytest.mark.parametrize("word", ["true", "TRUE", "1", "yes", "On"])
def test_words_for_true(word: str) -> None:
    assert settings_of(ENABLE_STREAMING_STT=word).enable_streaming_stt is True


@pytest.mark.parametrize("word", ["false", "0", "NO", "off"])
def test_words_for_false(word: str) -> None:
    assert settings_of(GCP_STT_PUNCTUATION_FINAL=word).punctuation_final is False


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_variable_is_one_that_is_not_set(empty: str) -> None:
    assert settings_of(STT_BATCH_MS=empty, GOOGLE_APPLICATION_CREDENTIALS=empty) == settings_of()


@pytest.mark.parametrize(
    "pasted",
    [
        "voice.example.com",
        "https://voice.example.com/",
        "wss://voice.example.com/ws/twilio-media",
        " Voice.Example.COM ",
    ],
)
def test_the_public_host_may_be_pasted(pasted: str) -> None:
    assert settings_of(PUBLIC_HOST=pasted).public_host.lower() == "voice.example.com"


def test_the_public_host_may_have_a_port() -> None:
    assert settings_of(PUBLIC_HOST="https://voice.example.com:8443/").public_host == "voice.example.com:8443"


@pytest.mark.parametrize(
    "host",
    ["a b", "https://", 'x"y', "a&b", "host:port", "host:99999", "host:0", "host:١٢", "-a", "a.", "ſ.example"],
)
def test_an_invalid_host_is_refused(host: str) -> None:
    assert problem_with(PUBLIC_HOST=host) == "PUBLIC_HOST is not a host name such as voice.example.com"


@pytest.mark.parametrize("endpoint", ["127.0.0.1:5001", "localhost:1", "[::1]:443", "127.1.2.3:65535"])
def test_plaintext_is_allowed_on_loopback(endpoint: str) -> None:
    settings = settings_of(GCP_STT_ENDPOINT=endpoint, GCP_STT_INSECURE="true")
    assert (settings.endpoint, settings.insecure) == (endpoint, True)


@pytest.mark.parametrize("endpoint", ["10.0.0.1:443", "eu-speech.googleapis.com:443", "localhost.example.com:1"])
def test_plaintext_is_refused_elsewhere(endpoint: str) -> None:
    assert "loopback only" in problem_with(GCP_STT_ENDPOINT=endpoint, GCP_STT_INSECURE="true")
    assert settings_of(GCP_STT_ENDPOINT=endpoint).endpoint == endpoint


def test_plaintext_to_google_itself_is_refused() -> None:
    assert "needs GCP_STT_ENDPOINT" in problem_with(GCP_STT_INSECURE="true")
    assert settings_of(GCP_STT_INSECURE="true", STT_ENGINE="embedded").insecure


@pytest.mark.parametrize("endpoint", ["host", ":443", "host:", "host:0", "host:65536", "host:x", "host:²"])
def test_an_invalid_endpoint_is_refused(endpoint: str) -> None:
    assert problem_with(GCP_STT_ENDPOINT=endpoint) == "GCP_STT_ENDPOINT is not HOST:PORT"


def test_numbers_are_read() -> None:
    settings = settings_of(STT_BATCH_MS="100", STT_DRAIN_SECONDS="2.5", PORT="0")
    assert (settings.batch_ms, settings.drain_seconds, settings.port) == (100, 2.5, 0)


def test_the_engine_is_a_word_in_any_case() -> None:
    assert settings_of(STT_ENGINE="Embedded").engine == "embedded"


def test_the_key_is_read() -> None:
    settings = settings_of(GOOGLE_APPLICATION_CREDENTIALS=TEXT)
    assert settings.credentials is not None
    assert settings.credentials.info == KEY


def test_secrets_do_not_show() -> None:
    settings = settings_of(GOOGLE_APPLICATION_CREDENTIALS=TEXT)
    assert settings.twilio_auth_token == TOKEN
    for secret in (TOKEN, "c2VjcmV0", "gserviceaccount"):
        assert secret not in repr(settings) + str(settings)


def test_secrets_do_not_show_in_an_error() -> None:
    key = json.dumps({**KEY, "type": "mine"})
    problems = problems_of(TWILIO_AUTH_TOKEN=TOKEN, GOOGLE_APPLICATION_CREDENTIALS=key)
    assert len(problems) == 2
    for secret in (TOKEN, "c2VjcmV0", "gserviceaccount"):
        assert secret not in "".join(problems)


def test_whisper_s_address_and_key_are_read_and_the_key_does_not_show() -> None:
    settings = settings_of(
        WHISPER_URL="https://w.example:8443/v1", WHISPER_API_KEY="sk-1", WHISPER_URL_MODEL="a/b"
    )
    assert settings.whisper_url == "https://w.example:8443/v1"
    assert (settings.whisper_api_key, settings.whisper_url_model) == ("sk-1", "a/b")
    assert "sk-1" not in repr(settings)


@pytest.mark.parametrize(
    "url", ["w.example", "ftp://w.example", "http://", "http://w:0", "http://w:x", "http://ש"]
)
def test_an_invalid_address_of_whisper_is_refused(url: str) -> None:
    assert problem_with(WHISPER_URL=url).startswith("WHISPER_URL is not an address such as https://")


def test_a_secret_in_whisper_s_address_is_refused_and_not_repeated() -> None:
    problem = problem_with(WHISPER_URL="http://user:pass@w.example/")
    assert "has a variable of its own" in problem
    assert "user:pass" not in problem


def test_a_key_that_no_header_carries_is_refused_and_not_repeated() -> None:
    problem = problem_with(WHISPER_API_KEY="sk\nX: y")
    assert problem == "WHISPER_API_KEY holds something that an HTTP header cannot carry"


def test_v2_needs_a_project_that_the_key_or_a_variable_names() -> None:
    nameless = json.dumps({**KEY, "project_id": ""})
    for environ in ({}, {"GOOGLE_APPLICATION_CREDENTIALS": nameless}):
        assert "set GCP_PROJECT to the project's id" in problem_with(GCP_STT_API="v2", **environ)
        assert settings_of(GCP_STT_API="v2", GCP_PROJECT="p", **environ).google_project == "p"
    assert settings_of(GCP_STT_API="V2", GOOGLE_APPLICATION_CREDENTIALS=TEXT).google_project == KEY["project_id"]
    assert problem_with(GCP_STT_API="v2", GOOGLE_APPLICATION_CREDENTIALS="{").startswith("GOOGLE_APPLICATION")


def test_the_error_says_all_of_it() -> None:
    with pytest.raises(BadSettings) as caught:
        Settings.from_environment({})
    assert str(caught.value) == "\n".join(caught.value.problems)


NAMES = st.sampled_from([variable.name for variable in variables()])
VALUES = st.text() | st.integers().map(str) | st.floats().map(str) | st.text("0123456789.:/[]-_ax", max_size=12)


@given(st.dictionaries(NAMES, VALUES))
def test_any_text_in_any_variable_raises_only_bad_settings(environ: dict[str, str]) -> None:
    try:
        settings = Settings.from_environment({**ENVIRONMENT, **environ})
    except BadSettings:
        return
    assert settings.public_host


@pytest.mark.parametrize("name", [variable.name for variable in variables()])
def test_very_long_text_raises_only_bad_settings(name: str) -> None:
    for text in ("9" * 5_000, "x" * 100_000, "a:" + "9" * 5_000, '{"a":' * 100_000):
        with contextlib.suppress(BadSettings):
            Settings.from_environment({**ENVIRONMENT, name: text})


def test_the_proxies_are_addresses_and_networks() -> None:
    settings = Settings.from_environment({**ENVIRONMENT, "TRUSTED_PROXIES": "10.1.2.3/8, ::1,192.0.2.7"})
    assert list(map(str, settings.trusted_proxies)) == ["10.0.0.0/8", "::1/128", "192.0.2.7/32"]
    assert Settings.from_environment(ENVIRONMENT).trusted_proxies == ()


@pytest.mark.parametrize("proxies", ["proxy.example.com", "10.0.0.0/40", "10.0.0.1;10.0.0.2", "*"])
def test_an_invalid_proxy_is_refused_in_words(proxies: str) -> None:
    with pytest.raises(BadSettings, match=r"TRUSTED_PROXIES is not a list of addresses or networks"):
        Settings.from_environment({**ENVIRONMENT, "TRUSTED_PROXIES": proxies})


def test_several_auth_tokens_are_separated_by_commas() -> None:
    environ = {"PUBLIC_HOST": "h", "TWILIO_AUTH_TOKEN": "first, second"}
    assert Settings.from_environment(environ).twilio_auth_tokens == ("first", "second")
    with pytest.raises(BadSettings, match="nothing but commas"):
        Settings.from_environment({**environ, "TWILIO_AUTH_TOKEN": ",,"})


def test_the_webhook_s_types_are_named_once_and_in_order() -> None:
    assert settings_of().events_webhook_types == ()
    assert settings_of(EVENTS_WEBHOOK_TYPES=" Final, call_started,,final").events_webhook_types == (
        "call_started",
        "final",
    )


HOOK = "https://hook.example.com/in"


def receivers(text: str) -> list[tuple[str, str]]:
    secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
    journal = "sqlite:///journal.db"
    settings = settings_of(EVENTS_WEBHOOK_URL=text, EVENTS_WEBHOOK_SECRET=secret, JOURNAL_URL=journal)
    return [(each.name, each.url) for each in settings.events_webhooks or ()]


def test_there_may_be_several_webhooks_and_the_first_keeps_its_name() -> None:
    assert receivers(HOOK) == [("webhook", HOOK)]
    assert receivers(f"{HOOK}?a=1,2") == [("webhook", f"{HOOK}?a=1,2")]
    crm = "https://CRM.example.com:8443"
    for separator in (" ", ",", ", ", "\n", " , "):
        assert receivers(f"{HOOK}{separator}{crm}{separator}") == [
            ("webhook", HOOK),
            ("webhook:6fec9e", crm),
        ]
    assert receivers(f"{HOOK} {crm}?token=new")[1][0] == receivers(f"{HOOK} {crm}/?token=old")[1][0]
    assert receivers(f"{HOOK} {crm}/a")[1][0] != receivers(f"{HOOK} {crm}/b")[1][0]


def test_a_webhook_may_be_named() -> None:
    assert [name for name, _ in receivers(f"{HOOK}?t=a#a, {HOOK}?t=b#b-1")] == ["webhook:a", "webhook:b-1"]


@pytest.mark.parametrize(
    ("urls", "words"),
    [
        (f"{HOOK} {HOOK}?t=1 {HOOK}?t=2", "has two addresses with one name"),
        (f"{HOOK}#a {HOOK}#a", "has two addresses with one name"),
        (f"{HOOK}#a%20b", "has something behind a # that is no name"),
        (f"{HOOK} ftp://x.example/", "is not an address"),
        ("https://a.example http://user:s3cret@b.example", "holds a user's name or a password"),
        (",", "is not an address"),
    ],
)
def test_webhooks_that_cannot_be_used_are_refused_in_words_and_not_repeated(urls: str, words: str) -> None:
    problem = problem_with(EVENTS_WEBHOOK_URL=urls, EVENTS_WEBHOOK_SECRET="whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz")
    assert problem.startswith(f"EVENTS_WEBHOOK_URL {words}")
    assert "s3cret" not in problem


@pytest.mark.parametrize(
    ("types", "named"), [("final,finals", "names 'finals'"), ("*", "names '*'"), (",", "names none")]
)
def test_a_type_that_does_not_exist_is_refused_in_words(types: str, named: str) -> None:
    problem = problem_with(EVENTS_WEBHOOK_TYPES=types)
    assert problem.startswith(f"EVENTS_WEBHOOK_TYPES {named}; there are: call_started, partial, final, ")


def test_a_host_keeps_its_capitals_and_a_path_is_refused_in_words() -> None:
    environ = {"PUBLIC_HOST": "https://Voice.Example.com/", "TWILIO_AUTH_TOKEN": "t"}
    assert Settings.from_environment(environ).public_host == "Voice.Example.com"
    with pytest.raises(BadSettings, match="PUBLIC_HOST holds a path"):
        Settings.from_environment({**environ, "PUBLIC_HOST": "voice.example.com/prefix"})


@pytest.mark.parametrize(
    ("text", "busy"),
    [
        ("503", "503"),
        ("+972 (77) 123-45.67", "+972771234567"),
        ("sip:desk@example.com;transport=tls", "sip:desk@example.com;transport=tls"),
        ("All lines are busy, call 03-1234567", "All lines are busy, call 03-1234567"),
    ],
)
def test_busy_is_a_status_a_number_or_a_text(text: str, busy: str) -> None:
    assert settings_of(BUSY=text).busy == busy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("03-1234567", "looks like a telephone number, but is not one such as +972501234567"),
        ("486", "looks like a telephone number"),
        ("+1234567890123456", "looks like a telephone number"),
        ("sip:1234567", "looks like a SIP address"),
        ("a" * 501, "is not a sentence of at most 500 letters"),
        ("busy\n1234567", "is not a sentence"),
    ],
)
def test_a_wrong_busy_is_refused_without_the_number(text: str, words: str) -> None:
    problem = problem_with(BUSY=text)
    assert words in problem
    assert "1234567" not in problem.replace("+972501234567", "")


def test_the_fleet_is_that_of_redis_url_unless_it_has_one_of_its_own_or_is_off() -> None:
    redis, other = {"REDIS_URL": "redis://one/0", "JOURNAL_URL": "sqlite:///j"}, "redis+sentinel://two/calls/1"
    assert settings_of().fleet_url is None
    assert settings_of(**redis).fleet_url == "redis://one/0"
    assert settings_of(**redis, FLEET_REDIS_URL=other).fleet_url == other
    assert settings_of(**redis, FLEET_REDIS_URL="OFF").fleet_url is None
    assert "two" not in repr(settings_of(FLEET_REDIS_URL=other))
    assert settings_of(GCP_STT_STREAMS="280").google_streams == 280
