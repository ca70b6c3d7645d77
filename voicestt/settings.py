"""Everything that can be set, read from the environment: one table, and every problem named at once."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar
from urllib.parse import urlsplit

from voicestt.credentials import Credentials, read_credentials

N = TypeVar("N", int, float)

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:([0-9]{1,5}))?")
_PORTS = range(1, 65_536)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_WORD = re.compile(r"[a-z0-9_.-]+", re.IGNORECASE)
_PLACE = re.compile(r"[a-z][a-z0-9-]*")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]*")
_MODEL_NAME = re.compile(r"[A-Za-z0-9_./:@-]+")


class BadSettings(ValueError):
    """The environment cannot be used; `problems` says in words what is wrong with each variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: its default as it would be typed (None: not set), and what it means."""

    name: str
    default: str | None
    meaning: str
    read: Callable[[str], object]
    required: bool = False


def _flag(text: str) -> bool:
    word = text.lower()
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise ValueError("is neither true nor false")


def _number(low: float, high: float) -> Callable[[str], int]:
    return _between(low, high, int, "a whole number")


def _seconds(low: float, high: float) -> Callable[[str], float]:
    return _between(low, high, float, "a number of seconds")


def _between(low: float, high: float, kind: Callable[[str], N], what: str) -> Callable[[str], N]:
    def read(text: str) -> N:
        try:
            number = kind(text)
        except ValueError:
            raise ValueError(f"is not {what}") from None
        if not low <= number <= high:
            raise ValueError(f"is not between {low} and {high}")
        return number

    return read


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() in words:
            return text.lower()
        raise ValueError(f"is not one of: {', '.join(words)}")

    return read


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if pattern.fullmatch(text):
            return text
        raise ValueError(f"is not {what}")

    return read


def _public_host(text: str) -> str:
    """The host, with its port if one was given, of "host", "https://host/" or "wss://host/path"."""
    host = text.split("://", 1)[-1].split("/", 1)[0].lower()
    match = _HOST.fullmatch(host)
    if match is None or int(match[3] or 443) not in _PORTS:
        raise ValueError("is not a host name such as voice.example.com")
    return host


def _endpoint(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) not in _PORTS:
        raise ValueError("is not HOST:PORT")
    return text


def _secret(text: str) -> str:
    return text


def _header_secret(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    raise ValueError("holds something that an HTTP header cannot carry")


def _url(text: str) -> str:
    # What was pasted is not repeated: it may hold a password.
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is not an address such as http://127.0.0.1:8000/v1/audio/transcriptions")
    if "@" in parts.netloc:
        raise ValueError("holds a user's name: put the key into WHISPER_API_KEY")
    return text


def _is_loopback(endpoint: str) -> bool:
    host = endpoint.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _from(
    name: str, default: str | None, read: Callable[[str], object], meaning: str, *, required: bool = False
) -> Any:
    return field(metadata={"variable": Variable(name, default, meaning, read, required)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one server, checked. Secrets are never in its repr."""

    public_host: str = _from(
        "PUBLIC_HOST",
        None,
        _public_host,
        "The name Twilio reaches this server by. It always wins over the Host header and any "
        "development domain. A pasted `https://host/` is understood.",
        required=True,
    )
    port: int = _from(
        "PORT", "5000", _number(0, 65_535), "The port that is listened on where no `--listen` says otherwise."
    )
    enable_streaming_stt: bool = _from(
        "ENABLE_STREAMING_STT",
        "false",
        _flag,
        "The safety net. `true`: speech is streamed to Google and partials come while the caller "
        "speaks. `false`: one `recognize` per utterance, finals only. It can be turned while calls are live: "
        "`voicestt flag`, or SIGHUP, at which the file of VOICESTT_ENV_FILE wins.",
    )
    batch_ms: int = _from(
        "STT_BATCH_MS",
        "150",
        _number(20, 1_000),
        "Milliseconds of audio in one message to Google.",
    )
    partial_debounce_ms: int = _from(
        "STT_PARTIAL_DEBOUNCE_MS",
        "180",
        _number(0, 10_000),
        "A call's partials reach the application at most this often. Finals are never held back.",
    )
    model: str = _from(
        "GCP_STT_MODEL",
        "phone_call",
        _matching(_WORD, "a model's name such as default"),
        "Google's model. A pair of model and language that Google refuses (`phone_call` with Hebrew) "
        "becomes `default`, and one loud line in the log says so.",
    )
    language: str = _from(
        "GCP_STT_LANGUAGE",
        "he-IL",
        _matching(_LANGUAGE, "a BCP-47 code such as he-IL"),
        "The language spoken, as a BCP-47 code. `he-IL` is sent as Google's own `iw-IL`.",
    )
    punctuation_interim: bool = _from("GCP_STT_PUNCTUATION_INTERIM", "false", _flag, "Punctuation in partials.")
    punctuation_final: bool = _from("GCP_STT_PUNCTUATION_FINAL", "true", _flag, "Punctuation in finals.")
    credentials: Credentials | None = field(
        repr=False,
        metadata={
            "variable": Variable(
                "GOOGLE_APPLICATION_CREDENTIALS",
                None,
                "Google's key: a path, or the JSON itself, or that in base64. Never printed. Not set: Google's "
                "application default credentials of the machine are used.",
                read_credentials,
            )
        },
    )
    api: str = _from(
        "GCP_STT_API",
        "v1",
        _one_of("v1", "v2"),
        "The version of Google's API. v2 has the models `chirp_3`, `telephony` and others, and needs a project.",
    )
    location: str = _from(
        "GCP_STT_LOCATION",
        "global",
        _matching(_PLACE, "a location such as eu"),
        "Where v2 recognises. Google has `chirp_3` in `us`, `eu` and some others, but not in `global`.",
    )
    project: str | None = _from(
        "GCP_PROJECT",
        None,
        _matching(_PROJECT, "a project's id"),
        "The Google project that v2 is asked for. Not set: the one that the key names.",
    )
    endpoint: str | None = _from(
        "GCP_STT_ENDPOINT",
        None,
        _endpoint,
        "HOST:PORT of a Google-compatible service elsewhere (a regional endpoint, or a local one).",
    )
    insecure: bool = _from(
        "GCP_STT_INSECURE",
        "false",
        _flag,
        "Plaintext and no credentials towards GCP_STT_ENDPOINT; allowed on loopback only.",
    )
    engine: str = _from(
        "STT_ENGINE",
        "google",
        _one_of("google", "embedded"),
        "`embedded` starts a Google-compatible service inside the server, with the recogniser of the "
        "`embedded` extra behind it: no account is needed.",
    )
    whisper_model: str | None = _from(
        "WHISPER_MODEL",
        None,
        str,
        "A directory with a Whisper of your own in ctranslate2's format, for the embedded engine and for the "
        "utterances that Google fails to recognise.",
    )
    whisper_url: str | None = _from(
        "WHISPER_URL",
        None,
        _url,
        "The whole address of an OpenAI-compatible transcription endpoint "
        "(`http://127.0.0.1:8000/v1/audio/transcriptions`), which is asked for the utterances that Google fails "
        "to recognise, instead of the engine of the `embedded` extra.",
    )
    whisper_url_model: str = _from(
        "WHISPER_URL_MODEL",
        "whisper-1",
        _matching(_MODEL_NAME, "a model's name such as whisper-1"),
        "The model that WHISPER_URL is asked for.",
    )
    whisper_api_key: str | None = field(
        repr=False,
        metadata={
            "variable": Variable(
                "WHISPER_API_KEY",
                None,
                "The key for WHISPER_URL, sent as `Authorization: Bearer`. Never printed.",
                _header_secret,
            )
        },
    )
    twilio_auth_token: str | None = field(
        repr=False,
        metadata={
            "variable": Variable(
                "TWILIO_AUTH_TOKEN",
                None,
                "The account's auth token, which Twilio signs its requests with. Never printed. Required "
                "unless TWILIO_VALIDATE=false.",
                _secret,
            )
        },
    )
    twilio_validate: bool = _from(
        "TWILIO_VALIDATE",
        "true",
        _flag,
        "`false` takes unsigned requests from anybody, and says so loudly in the log.",
    )
    require_known_call: bool = _from(
        "REQUIRE_KNOWN_CALL",
        "false",
        _flag,
        "`true` takes a socket only for a CallSid that a webhook announced in the last five minutes.",
    )
    events_file: str | None = _from(
        "EVENTS_FILE",
        None,
        str,
        "A file that one JSON line is appended to for each partial and final.",
    )
    drain_seconds: float = _from(
        "STT_DRAIN_SECONDS",
        "20",
        _seconds(0.1, 60),
        "How long a call that has ended waits for its last words, whatever fails.",
    )
    soft_limit_seconds: float = _from(
        "STT_SOFT_LIMIT_SECONDS",
        "240",
        _seconds(1, 300),
        "A stream this old is replaced at the next final or silence: Google ends it after 305 s.",
    )
    hard_limit_seconds: float = _from(
        "STT_HARD_LIMIT_SECONDS", "285", _seconds(1, 304), "A stream this old is replaced in any case."
    )
    retain_seconds: float = _from(
        "STT_RETAIN_SECONDS",
        "60",
        _seconds(5, 600),
        "How much of a call's audio is kept until a final has covered it, to be sent again.",
    )
    restarts: int = _from(
        "STT_RESTARTS",
        "3",
        _number(0, 100),
        "Failing streams of one call that are replaced within 30 s; one more, and the call goes on with one "
        "request per utterance.",
    )
    silent_seconds: float = _from(
        "STT_SILENT_SECONDS",
        "5",
        _seconds(0.5, 60),
        "A stream that has speech and does not answer for so long is replaced.",
    )
    hold_seconds: float = _from(
        "STT_HOLD_SECONDS",
        "5",
        _seconds(0.1, 9),
        "A stream that gets no audio for so long is closed, and opened again by the next: Google ends it "
        "after 10 s.",
    )
    queue_seconds: float = _from(
        "STT_QUEUE_SECONDS",
        "5",
        _seconds(0.5, 60),
        "A stream that takes audio so slowly that this much waits is replaced.",
    )
    recover_seconds: float = _from(
        "STT_RECOVER_SECONDS",
        "60",
        _seconds(0, 86_400),
        "A call that fell back asks so often whether streaming works again, and returns to it; 0: never.",
    )
    idle_seconds: float = _from(
        "IDLE_SECONDS",
        "30",
        _seconds(1, 3_600),
        "A socket that says nothing for so long is closed and its call ended.",
    )
    session_threads: int = _from(
        "STT_SESSION_THREADS",
        "1",
        _number(1, 16),
        "Threads that carry the streams to Google; each carries many calls.",
    )
    control_socket: str | None = _from(
        "VOICESTT_SOCKET",
        None,
        str,
        "The Unix socket (mode 0600) that `voicestt flag` reaches the server by. Not set: one that it finds by "
        "itself, in `$XDG_RUNTIME_DIR/voicestt` or a folder of this user's for temporary files.",
    )

    @property
    def google_project(self) -> str | None:
        """The project that Google is asked for: that of GCP_PROJECT, or the key's own."""
        return self.project or (self.credentials.project if self.credentials else None)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """The settings in `environ`; an empty variable counts as not set.

        Raises:
            BadSettings: with one sentence for each variable that cannot be used.
        """
        values: dict[str, object] = {}
        problems: list[str] = []
        for name, variable in _fields():
            try:
                values[name] = _value(variable, environ)
            except ValueError as problem:
                problems.append(f"{variable.name} {problem}")
        problems.extend(_disagreements(values))
        if problems:
            raise BadSettings(problems)
        return cls(**values)  # type: ignore[arg-type]


def variables() -> list[Variable]:
    """Every variable, in the order of the README's table."""
    return [variable for _, variable in _fields()]


def differences(one: Settings, other: Settings) -> list[str]:
    """The names of the variables in which the two differ, in the order of the table."""
    return [variable.name for name, variable in _fields() if getattr(one, name) != getattr(other, name)]


def _fields() -> Iterator[tuple[str, Variable]]:
    for each in fields(Settings):
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
        elif isinstance(endpoint, str) and not _is_loopback(endpoint):
            yield "GCP_STT_INSECURE=true is plaintext and allowed on loopback only (127.0.0.1, ::1, localhost)"
    yield from _missing_project(values)
    soft, hard = values.get("soft_limit_seconds"), values.get("hard_limit_seconds")
    if isinstance(soft, float) and isinstance(hard, float) and soft > hard:
        yield "STT_SOFT_LIMIT_SECONDS is more than STT_HARD_LIMIT_SECONDS"
    if values.get("twilio_validate") is True and values.get("twilio_auth_token") is None:
        yield (
            "TWILIO_AUTH_TOKEN is not set. It is on the first page of the Twilio console; "
            "TWILIO_VALIDATE=false does without it and takes requests from anybody"
        )


def _missing_project(values: Mapping[str, object]) -> Iterator[str]:
    to_google = values.get("engine") == "google" and values.get("insecure") is False
    # Where another variable is wrong, its value is not here: that is said first.
    if values.get("api") != "v2" or not to_google or not {"project", "credentials"} <= values.keys():
        return
    key = values["credentials"]
    named = isinstance(key, Credentials) and key.project is not None
    if values["project"] is None and not named:
        yield (
            "GCP_STT_API=v2 needs a project, and the key names none: set GCP_PROJECT to the project's id, "
            "which the Google console shows"
        )
