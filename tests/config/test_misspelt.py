import pytest

from voicestt.config.misspelt import Misspelt, misspelt
from voicestt.config.settings import variables


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("EVENTS_WEBHOK_URL", "EVENTS_WEBHOOK_URL"),
        ("EVENT_WEBHOOK_URL", "EVENTS_WEBHOOK_URL"),
        ("GOOGLE_APLICATION_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("STT_BATCHMS", "STT_BATCH_MS"),
        ("GREETNG", "GREETING"),
        ("public_host", "PUBLIC_HOST"),
        ("HANLDER", "HANDLER"),
        ("LOG_LEVLE", "LOG_LEVEL"),
        ("VOICESTT_ENVFILE", "VOICESTT_ENV_FILE"),
        ("VOICESTT_SOKET", "VOICESTT_SOCKET"),
    ],
)
def test_a_misspelt_variable_is_found_with_the_one_that_was_meant(name: str, meant: str) -> None:
    assert misspelt([name, "PATH"]) == [Misspelt(name, meant)]
    assert f"is {meant} meant?" in str(Misspelt(name, meant))


def test_a_name_with_our_prefix_is_suspected_even_if_it_resembles_none() -> None:
    (found,) = misspelt(["VOICESTT_QQQQQQQQQQQ"])
    assert found.meant == ""
    assert str(found) == (
        "VOICESTT_QQQQQQQQQQQ is set, and there is no such variable: `voicestt settings` lists all."
    )


@pytest.mark.parametrize(
    "name",
    [
        *(
            "PATH",
            "HOME",
            "HOST",
            "HOSTNAME",
            "LANGUAGE",
            "LANG",
            "port",
            "PORTS",
            "JOURNAL_STREAM",
            "USER",
            "TERM",
        ),
        *(
            "HEROKU_APP_NAME",
            "HEROKU_RELEASE_VERSION",
            "HEROKU_REDIS_AMBER_URL",
            "DATABASE_URL",
            "WEB_CONCURRENCY",
        ),
        *("REDIS_TLS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_URI", "REDIS_PASSWORD", "REDISCLOUD_URL"),
        *("GCP_PROJECT_ID", "GOOGLE_CLOUD_PROJECT", "GOOGLE_API_KEY", "GOOGLE_CREDENTIALS"),
        *("TWILIO_ACCOUNT_SID", "TWILIO_API_KEY", "TWILIO_API_SECRET", "TWILIO_REGION", "TWILIO_PHONE_NUMBER"),
        *("NOTIFY_SOCKET", "LISTEN_FDS", "XDG_RUNTIME_DIR", "PYTHONUNBUFFERED", "KUBERNETES_SERVICE_HOST"),
    ],
)
def test_variables_of_other_programs_are_left_alone(name: str) -> None:
    assert misspelt([name]) == []


def test_our_own_variables_are_not_suspected() -> None:
    assert misspelt([*(variable.name for variable in variables()), "VOICESTT_ENV_FILE"]) == []


def test_a_name_that_resembles_one_that_is_set_is_another_program_s() -> None:
    assert misspelt(["REDIS_URL", "REDIS_URLS"]) == []
