"""The settings of a server, read from the environment: all groups in one table, and all problems at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Final, NamedTuple

from voicestt.config import readers as read
from voicestt.config.call_settings import (
    AccessSettings,
    AnswerSettings,
    HandlerSettings,
    LogSettings,
    OverloadSettings,
    ProcessSettings,
    ShutdownSettings,
)
from voicestt.config.credentials import Credentials
from voicestt.config.event_settings import DeliverySettings, JournalSettings
from voicestt.config.fleet_settings import NO_FLEET, FleetSettings
from voicestt.config.page_settings import PageSettings
from voicestt.config.recognition_settings import FirstSettings, GoogleSettings, StreamSettings, WhisperSettings
from voicestt.config.recording_settings import RecordingSettings
from voicestt.config.understanding_settings import UnderstandingSettings
from voicestt.config.variable import Variable

GROUPS: Final[Mapping[str, type]] = {
    "The six to set first": FirstSettings,
    "Recognition by Google": GoogleSettings,
    "Numbers, hints and more of what Google offers": UnderstandingSettings,
    "Recognition without Google, or behind it": WhisperSettings,
    "Streams, their limits and outages": StreamSettings,
    "What the caller hears": AnswerSettings,
    "A handler in the server's process": HandlerSettings,
    "Events for other processes": DeliverySettings,
    "The journal": JournalSettings,
    "Recordings": RecordingSettings,
    "The page": PageSettings,
    "Several processes as one service": FleetSettings,
    "Strangers, and who may connect": AccessSettings,
    "Overload": OverloadSettings,
    "Restarts and deploys": ShutdownSettings,
    "The log": LogSettings,
    "The process": ProcessSettings,
}
"""The groups of settings under their titles, in the order in which they are shown; each setting is in one."""


class BadSettings(ValueError):
    """The environment cannot be used; `problems` says in words what is wrong with each variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Settings(
    FirstSettings,
    GoogleSettings,
    UnderstandingSettings,
    WhisperSettings,
    StreamSettings,
    AnswerSettings,
    HandlerSettings,
    DeliverySettings,
    JournalSettings,
    RecordingSettings,
    PageSettings,
    FleetSettings,
    AccessSettings,
    OverloadSettings,
    ShutdownSettings,
    LogSettings,
    ProcessSettings,
):
    """The checked settings of one server; secrets are never in the repr."""

    given: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    """The variables that were set, whether or not to their defaults."""

    @property
    def twilio_auth_tokens(self) -> tuple[str, ...]:
        """The accepted auth tokens; Twilio's REST API is asked with the first that it takes."""
        return read.several(self.twilio_auth_token or "")

    @property
    def texts_are_logged(self) -> bool:
        """True if what callers say may be in the log: LOG_TEXTS, and JOURNAL_REDACT does not keep it back."""
        return self.log_texts and self.journal_redact not in {"texts", "all"}

    @property
    def google_project(self) -> str | None:
        """The Google project of requests: GCP_PROJECT, or the key's own."""
        return self.project or (self.credentials.project if self.credentials else None)

    @property
    def fleet_url(self) -> str | None:
        """The URL of the fleet's Redis: FLEET_REDIS_URL, or REDIS_URL; None where there is no fleet."""
        url = self.fleet_redis_url or self.redis_url
        return None if url == NO_FLEET else url

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings in `environ`; an empty variable counts as not set.

        Raises:
            BadSettings: with one sentence for each variable that cannot be used.
        """
        reading = read_settings(environ)
        if reading.problems:
            raise BadSettings(list(reading.problems))
        return reading.settings


class Reading(NamedTuple):
    """The result of reading an environment: settings, and one sentence for each problem.

    `unusable` are the variables whose values cannot be used; `settings` has their defaults.
    """

    settings: Settings
    problems: tuple[str, ...]
    unusable: frozenset[str]


def read_settings(environ: Mapping[str, str]) -> Reading:
    """Read the settings in `environ`, also where something is wrong; an empty variable counts as not set."""
    values: dict[str, object] = {}
    problems: dict[str, str] = {}
    for name, variable in setting_fields():
        try:
            values[name] = _value(variable, environ)
        except ValueError as problem:
            problems[variable.name] = f"{variable.name} {problem}"
    disagreements = _disagreements(values)
    unusable = {name: _default(variable) for name, variable in setting_fields() if variable.name in problems}
    given = frozenset(variable.name for variable in variables() if environ.get(variable.name, "").strip())
    settings = Settings(**values, **unusable, given=given)  # type: ignore[arg-type]
    return Reading(settings, (*problems.values(), *disagreements), frozenset(problems))


def _default(variable: Variable) -> object:
    if variable.default is None:
        return "" if variable.required else None
    return variable.read(variable.default)


def variables() -> list[Variable]:
    """Return all variables, in the order of the code."""
    return [variable for _, variable in setting_fields()]


def differences(one: Settings, other: Settings) -> list[str]:
    """Return the names of the variables that differ between two settings, in the order of the code."""
    return [variable.name for name, variable in setting_fields() if getattr(one, name) != getattr(other, name)]


def setting_fields() -> Iterator[tuple[str, Variable]]:
    """Yield the attribute of `Settings` and the variable of each setting, in the order of the code."""
    for group in GROUPS.values():
        for each in fields(group):
            yield each.name, each.metadata["variable"]


def _value(variable: Variable, environ: Mapping[str, str]) -> object:
    text = environ.get(variable.name, "").strip() or variable.default
    if text is None:
        if variable.required:
            raise ValueError(f"is not set. {variable.meaning}")
        return None
    return variable.read(text)


def _disagreements(values: Mapping[str, object]) -> Iterator[str]:
    endpoint = values.get("endpoint")
    if values.get("insecure"):
        if endpoint is None and values.get("engine") != "embedded":
            yield "GCP_STT_INSECURE=true needs GCP_STT_ENDPOINT=HOST:PORT on this machine"
        elif isinstance(endpoint, str) and not read.is_loopback(endpoint):
            yield "GCP_STT_INSECURE=true is plaintext and allowed on loopback only (127.0.0.1, ::1, localhost)"
    yield from _missing_project(values)
    yield from _events_disagreements(values)
    if values.get("record_store_endpoint") and values.get("record_store", "") is None:
        yield "RECORD_STORE_ENDPOINT means nothing without RECORD_STORE=s3://BUCKET/PREFIX"
    yield from _page_disagreements(values)
    if values.get("shutdown_calls") == "move" and values.get("twilio_auth_token", "") is None:
        yield "SHUTDOWN_CALLS=move needs TWILIO_AUTH_TOKEN, with which Twilio is asked to move a call"
    soft, hard = values.get("soft_limit_seconds"), values.get("hard_limit_seconds")
    if isinstance(soft, float) and isinstance(hard, float) and soft > hard:
        yield "STT_SOFT_LIMIT_SECONDS is more than STT_HARD_LIMIT_SECONDS"
    token = values.get("twilio_auth_token")
    if isinstance(token, str) and not read.several(token):
        yield "TWILIO_AUTH_TOKEN holds nothing but commas"
    if values.get("twilio_validate") is True and token is None and "twilio_auth_token" in values:
        yield (
            "TWILIO_AUTH_TOKEN is not set. It is on the first page of the Twilio console; "
            "TWILIO_VALIDATE=false does without it and takes requests from anybody"
        )


def _events_disagreements(values: Mapping[str, object]) -> Iterator[str]:
    if values.get("events_webhooks") and values.get("events_webhook_secret", b"") is None:
        yield "EVENTS_WEBHOOK_SECRET is not set, which EVENTS_WEBHOOK_URL needs: receivers check it"
    if values.get("journal_url") == "off":
        for name, variable in (("events_webhooks", "EVENTS_WEBHOOK_URL"), ("redis_url", "REDIS_URL")):
            if values.get(name):
                yield f"{variable} needs the journal, which events are delivered from: JOURNAL_URL cannot be off"


def _page_disagreements(values: Mapping[str, object]) -> Iterator[str]:
    to_look, to_act = values.get("page_view_password"), values.get("page_password") or values.get("events_token")
    if to_look and values.keys() >= {"page_password", "events_token"} and not to_act:
        yield "PAGE_VIEW_PASSWORD needs PAGE_PASSWORD, which opens the page to those who may act"
    if to_look and to_look == to_act:
        yield "PAGE_VIEW_PASSWORD is the same as what opens the page to those who may act: choose another one"


def _missing_project(values: Mapping[str, object]) -> Iterator[str]:
    to_google = values.get("engine") == "google" and values.get("insecure") is False
    # If another variable is wrong, its value is missing here: that error is reported first.
    if values.get("api") != "v2" or not to_google or not {"project", "credentials"} <= values.keys():
        return
    key = values["credentials"]
    named = isinstance(key, Credentials) and key.project is not None
    if values["project"] is None and not named:
        yield (
            "GCP_STT_API=v2 needs a project, and the key names none: set GCP_PROJECT to the project's id, "
            "which the Google console shows"
        )
