from tests.config.test_credentials import TEXT
from tests.server.fakes import ENVIRONMENT, TOKEN, settings_of
from voicestt.config.in_force import changed_settings, in_force
from voicestt.config.settings import variables


def values(**environ: str) -> dict[str, str]:
    settings = settings_of(**environ)
    return {each.variable.name: each.value for each in in_force(settings, {})}


def test_each_setting_is_shown_as_it_would_be_typed() -> None:
    shown = values(STT_DRAIN_SECONDS="2.50", TRUSTED_PROXIES="10.0.0.0/8, ::1", EVENTS_WEBHOOK_TYPES="final")
    assert list(shown) == [variable.name for variable in variables()]
    assert shown["PUBLIC_HOST"] == "voice.example.com"
    assert shown["STT_DRAIN_SECONDS"] == "2.5"
    assert shown["ENABLE_STREAMING_STT"] == "false"
    assert shown["TRUSTED_PROXIES"] == "10.0.0.0/8,::1/128"
    assert shown["EVENTS_WEBHOOK_TYPES"] == "final"
    assert shown["MAX_CALLS"] == shown["HANDLER"] == "not set"


def test_secrets_are_set_or_not_set() -> None:
    shown = values(
        GOOGLE_APPLICATION_CREDENTIALS=TEXT,
        JOURNAL_URL="postgresql://user:s3cret@db.example/calls",
        BUSY="+972501234567",
        REDIS_URL="redis://:s3cret@redis.example",
    )
    for name in ("TWILIO_AUTH_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "JOURNAL_URL", "BUSY", "REDIS_URL"):
        assert shown[name] == "set"
    assert shown["EVENTS_TOKEN"] == "not set"
    for secret in (TOKEN, "c2VjcmV0", "s3cret", "1234567"):
        assert secret not in "".join(shown.values())


def test_a_secret_with_its_default_is_shown_for_there_is_nothing_in_it() -> None:
    assert values(BUSY="503")["BUSY"] == "503"


def test_a_phone_number_in_a_text_is_not_shown_and_a_long_text_is_cut() -> None:
    assert values(GREETING="Call +972 50-123 4567 please")["GREETING"] == "Call … please"
    assert values(GREETING="a " * 300)["GREETING"].endswith("…")
    assert values(GCP_STT_ENDPOINT="127.0.0.1:50001")["GCP_STT_ENDPOINT"] == "127.0.0.1:50001"


def test_the_source_of_each_is_named() -> None:
    sources = {
        each.variable.name: each.source for each in in_force(settings_of(), dict.fromkeys(ENVIRONMENT, "here"))
    }
    assert (sources["PUBLIC_HOST"], sources["PORT"]) == ("here", "default")


def test_only_what_differs_from_the_defaults_is_listed_as_changed() -> None:
    environ = {"STT_BATCH_MS": "150", "GCP_STT_LANGUAGE": "en-US", "EVENTS_TOKEN": "t"}
    changed = changed_settings(settings_of(**environ))
    assert changed == [
        "PUBLIC_HOST=voice.example.com",
        "TWILIO_AUTH_TOKEN is set",
        "GCP_STT_LANGUAGE=en-US",
        "EVENTS_TOKEN is set",
        "JOURNAL_URL is set",
        "SHUTDOWN_SECONDS=0",  # as the tests run
    ]
