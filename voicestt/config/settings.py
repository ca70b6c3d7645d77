"""The settings, read from the environment: one table, and all problems reported at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from voicestt.config import readers as read
from voicestt.config.credentials import Credentials, read_credentials
from voicestt.config.readers import Variable
from voicestt.events import TYPES

LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warn", "error", "critical")


class BadSettings(ValueError):
    """The environment cannot be used; `problems` says in words what is wrong with each variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _from(
    name: str,
    default: str | None,
    reader: Callable[[str], object],
    meaning: str,
    *,
    required: bool = False,
    secret: bool = False,
) -> Any:
    return field(
        repr=not secret, metadata={"variable": Variable(name, default, meaning, reader, required, secret)}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The checked settings of one server; secrets are never in the repr."""

    public_host: str = _from(
        "PUBLIC_HOST",
        None,
        read.public_host,
        "The name Twilio reaches this server by. It always wins over the Host header and any "
        "development domain. A pasted `https://host/` is understood, a path behind it is refused.",
        required=True,
    )
    port: int = _from(
        "PORT", "5000", read.number(0, 65_535), "The port that is listened on where no `--listen` says otherwise."
    )
    enable_streaming_stt: bool = _from(
        "ENABLE_STREAMING_STT",
        "false",
        read.flag,
        "The safety net. `true`: speech is streamed to Google and partials come while the caller "
        "speaks. `false`: one `recognize` per utterance, finals only. It can be turned while calls are live: "
        "`voicestt flag`, or SIGHUP, at which the file of VOICESTT_ENV_FILE wins.",
    )
    batch_ms: int = _from(
        "STT_BATCH_MS",
        "150",
        read.number(20, 1_000),
        "Milliseconds of audio in one message to Google.",
    )
    partial_debounce_ms: int = _from(
        "STT_PARTIAL_DEBOUNCE_MS",
        "180",
        read.number(0, 10_000),
        "A call's partials reach the application at most this often. Finals are never held back.",
    )
    model: str = _from(
        "GCP_STT_MODEL",
        "phone_call",
        read.matching(read.WORD, "a model's name such as default"),
        "Google's model. A pair of model and language that Google refuses (`phone_call` with Hebrew) "
        "becomes `default`; where it was set, one loud line in the log says so.",
    )
    language: str = _from(
        "GCP_STT_LANGUAGE",
        "he-IL",
        read.matching(read.LANGUAGE, "a BCP-47 code such as he-IL"),
        "The language spoken, as a BCP-47 code. `he-IL` is sent as Google's own `iw-IL`.",
    )
    punctuation_interim: bool = _from(
        "GCP_STT_PUNCTUATION_INTERIM", "false", read.flag, "Punctuation in partials."
    )
    punctuation_final: bool = _from("GCP_STT_PUNCTUATION_FINAL", "true", read.flag, "Punctuation in finals.")
    credentials: Credentials | None = _from(  # noqa: RUF009 - it makes a field, as all the others
        "GOOGLE_APPLICATION_CREDENTIALS",
        None,
        read_credentials,
        "Google's key: a path, or the JSON itself, or that in base64. Never printed. Not set: Google's "
        "application default credentials of the machine are used; where there are none the server does not start, "
        "unless Google is not asked.",
        secret=True,
    )
    api: str = _from(
        "GCP_STT_API",
        "v1",
        read.one_of("v1", "v2"),
        "The version of Google's API. v2 has the models `chirp_3`, `telephony` and others, and needs a project.",
    )
    location: str = _from(
        "GCP_STT_LOCATION",
        "global",
        read.matching(read.PLACE, "a location such as eu"),
        "Where v2 recognises. Google has `chirp_3` in `us`, `eu` and some others, but not in `global`.",
    )
    project: str | None = _from(
        "GCP_PROJECT",
        None,
        read.matching(read.PROJECT, "a project's id"),
        "The Google project that v2 is asked for. Not set: the one that the key names.",
    )
    endpoint: str | None = _from(
        "GCP_STT_ENDPOINT",
        None,
        read.endpoint,
        "HOST:PORT of a Google-compatible service elsewhere (a regional endpoint, or a local one).",
    )
    insecure: bool = _from(
        "GCP_STT_INSECURE",
        "false",
        read.flag,
        "Plaintext and no credentials towards GCP_STT_ENDPOINT; allowed on loopback only.",
    )
    engine: str = _from(
        "STT_ENGINE",
        "google",
        read.one_of("google", "embedded"),
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
        read.url,
        "The whole address of an OpenAI-compatible transcription endpoint "
        "(`http://127.0.0.1:8000/v1/audio/transcriptions`), which is asked for the utterances that Google fails "
        "to recognise, instead of the engine of the `embedded` extra.",
    )
    whisper_url_model: str = _from(
        "WHISPER_URL_MODEL",
        "whisper-1",
        read.matching(read.MODEL_NAME, "a model's name such as whisper-1"),
        "The model that WHISPER_URL is asked for.",
    )
    whisper_api_key: str | None = _from(
        "WHISPER_API_KEY",
        None,
        read.header_secret,
        "The key for WHISPER_URL, sent as `Authorization: Bearer`. Never printed.",
        secret=True,
    )
    twilio_auth_token: str | None = _from(
        "TWILIO_AUTH_TOKEN",
        None,
        read.secret,
        "The account's auth token, which Twilio signs its requests with. Never printed. Required "
        "unless TWILIO_VALIDATE=false. Several, separated by commas, while a token is rotated or for subaccounts: "
        "each is accepted, and Twilio's REST API is asked with the first, then with the others if it is refused.",
        secret=True,
    )
    twilio_validate: bool = _from(
        "TWILIO_VALIDATE",
        "true",
        read.flag,
        "`false` takes unsigned requests from anybody, and says so loudly in the log.",
    )
    require_known_call: bool = _from(
        "REQUIRE_KNOWN_CALL",
        "false",
        read.flag,
        "`true` takes a socket only for a CallSid that a webhook announced in the last five minutes, of the same "
        "account, and each announcement for one socket.",
    )
    max_calls: int | None = _from(
        "MAX_CALLS",
        None,
        read.number(1, 1_000_000),
        "Live calls at most; new ones get what BUSY says. Not set: as many as come, while MAX_LAG_MS allows it.",
    )
    max_lag_ms: int = _from(
        "MAX_LAG_MS",
        "250",
        read.number(0, 60_000),
        "New calls get what BUSY says once the server's reactor has been late by more than this for 3 s, until it "
        "has fallen to half of it: live calls keep their delays. `0`: never.",
    )
    busy: str = _from(
        "BUSY",
        "503",
        read.busy,
        "What a new call gets that is not taken. `503`: Twilio asks what the number has as `Primary handler "
        "fails`. A telephone number (`+972501234567`) or a SIP address: it is dialled. Any other text is said to "
        "the caller, in the language of TTS_LANGUAGE.",
        secret=True,  # it may be a telephone number
    )
    max_connections: int = _from(
        "MAX_CONNECTIONS",
        "1000",
        read.number(10, 1_000_000),
        "Connections that are not calls, at most; beyond that the one that did nothing for the longest is cut. "
        "Never more than half of the descriptors that the process may have.",
    )
    max_connections_per_address: int = _from(
        "MAX_CONNECTIONS_PER_ADDRESS",
        "200",
        read.number(1, 1_000_000),
        "The same, of one address, or one /64 of IPv6; signed handshakes are not counted. A proxy is one address, "
        "unless it is in TRUSTED_PROXIES.",
    )
    trusted_proxies: tuple[read.Network, ...] = _from(
        "TRUSTED_PROXIES",
        "",
        read.networks,
        "Addresses or networks of your proxies, separated by commas (`10.0.0.0/8,::1`): only their "
        "`X-Forwarded-For` is believed, for counting by address, and they may have MAX_CONNECTIONS.",
    )
    shutdown_seconds: float = _from(
        "SHUTDOWN_SECONDS",
        "25",
        read.seconds(0, 86_400),
        "How long the whole stop takes at most, from SIGTERM or `voicestt drain` on, whatever hangs: no new "
        "calls, live ones go on, and their last words, the journal and the deliveries have the end of it (0.4 of "
        "it, at most 10 s). Without a live call the server ends at once; a second signal ends the calls now. Set "
        "less than the time after which your platform kills. `0`: calls end at once.",
    )
    shutdown_calls: str = _from(
        "SHUTDOWN_CALLS",
        "end",
        read.one_of("end", "move"),
        "What becomes of calls that are live when the server stops. `end`: they are ended when their time is "
        "up. `move`: Twilio is asked, by its REST API, to ask the webhook again for each of them, spread over the "
        "time, and another process behind PUBLIC_HOST goes on with it.",
    )
    twiml_reconnect: bool = _from(
        "TWIML_RECONNECT",
        "false",
        read.flag,
        "`true`: a `<Redirect>` to the webhook follows `</Connect>` in the TwiML, so that a call whose server was "
        "killed comes back by itself, at most 5 times in 10 minutes. A call that the application hung up ends.",
    )
    events_file: str | None = _from(
        "EVENTS_FILE",
        None,
        str,
        "A file that one JSON line is appended to for each event, mode 0600: it holds what callers say.",
    )
    drain_seconds: float = _from(
        "STT_DRAIN_SECONDS",
        "20",
        read.seconds(0.1, 60),
        "How long a call that has ended waits for its last words, whatever fails.",
    )
    soft_limit_seconds: float = _from(
        "STT_SOFT_LIMIT_SECONDS",
        "240",
        read.seconds(1, 300),
        "A stream this old is replaced at the next final or silence: Google ends it after 305 s.",
    )
    hard_limit_seconds: float = _from(
        "STT_HARD_LIMIT_SECONDS", "285", read.seconds(1, 304), "A stream this old is replaced in any case."
    )
    retain_seconds: float = _from(
        "STT_RETAIN_SECONDS",
        "600",
        read.seconds(5, 3_600),
        "How much of a call's audio is kept until a final has covered it, to be recognised after an outage: "
        "8 kB a second.",
    )
    retain_total_mb: int = _from(
        "STT_RETAIN_TOTAL_MB",
        "512",
        read.number(1, 1_000_000),
        "How much audio all calls keep together. Beyond it the longest lets its oldest go, and says so "
        "(`unrecognised`).",
    )
    restarts: int = _from(
        "STT_RESTARTS",
        "3",
        read.number(0, 100),
        "Failing streams of one call that are replaced within 30 s; one more, and the call goes on with one "
        "request per utterance.",
    )
    silent_seconds: float = _from(
        "STT_SILENT_SECONDS",
        "5",
        read.seconds(0.5, 60),
        "A stream that has speech and does not answer is replaced within about so long: at 0.6 of it a second "
        "stream is given the newest audio, and the first is hung if that one understands it, or does not end. "
        "Waits longer for a service that has been slower, and after sounds that nobody understood.",
    )
    hold_seconds: float = _from(
        "STT_HOLD_SECONDS",
        "5",
        read.seconds(0.1, 9),
        "A stream that gets no audio for so long is closed, and opened again by the next: Google ends it "
        "after 10 s.",
    )
    gap_ms: int = _from(
        "STT_GAP_MS",
        "600",
        read.number(0, 10_000),
        "So many milliseconds without a frame, in the middle of a call, end what was said: carriers that suppress "
        "silence send none. A network that often stands still for longer needs more; 0: never.",
    )
    queue_seconds: float = _from(
        "STT_QUEUE_SECONDS",
        "5",
        read.seconds(0.5, 60),
        "A stream that takes audio so slowly that this much waits is replaced.",
    )
    recover_seconds: float = _from(
        "STT_RECOVER_SECONDS",
        "60",
        read.seconds(0, 86_400),
        "A call that fell back asks so often whether streaming works again, and returns to it; 0: never.",
    )
    idle_seconds: float = _from(
        "IDLE_SECONDS",
        "30",
        read.seconds(1, 3_600),
        "A socket that says nothing for so long, and answers no ping, is closed and its call ended.",
    )
    no_media_seconds: float = _from(
        "NO_MEDIA_SECONDS",
        "600",
        read.seconds(1, 86_400),
        "A socket that answers pings but brings no audio is on hold; after so long its call is ended too.",
    )
    session_threads: int = _from(
        "STT_SESSION_THREADS",
        "1",
        read.number(1, 16),
        "Threads that carry the streams to Google; each carries many calls.",
    )
    utterance_end_ms: int = _from(
        "UTTERANCE_END_MS",
        "700",
        read.number(100, 10_000),
        "Milliseconds of silence after a final that end the caller's turn (`utterance_end`).",
    )
    handler: str | None = _from(
        "HANDLER",
        None,
        read.matching(read.ATTRIBUTE, "package.module:Name"),
        "The application's class, as `package.module:Name`; `--handler` says the same. Its rules are in "
        "`voicestt/handler/protocol.py`.",
    )
    handler_queue: int = _from(
        "HANDLER_QUEUE",
        "1000",
        read.number(10, 1_000_000),
        "Events of one call that wait for its handler at most.",
    )
    handler_overflow: str = _from(
        "HANDLER_OVERFLOW",
        "drop",
        read.one_of("drop", "hang_up"),
        "When so many wait. `drop`: new ones that are no finals are dropped, and counted; `hang_up`: the call is "
        "ended. A final is never dropped.",
    )
    handler_threads: int = _from(
        "HANDLER_THREADS",
        "64",
        read.number(1, 1_000),
        "Plain functions of a handler that run at once; `async def` needs no thread.",
    )
    greeting: str = _from(
        "GREETING",
        "default",
        str,
        "What the caller hears at once: `default` (a chime), `off`, the path of an audio file, or a text, which "
        "needs a TTS_ENGINE.",
    )
    greeting_max_ms: int = _from(
        "GREETING_MAX_MS",
        "800",
        read.number(100, 60_000),
        "A longer greeting is refused at the start.",
    )
    tts_engine: str = _from(
        "TTS_ENGINE",
        "off",
        read.one_of("off", "google", "espeak-ng"),
        "What speaks `say_text` and the GREETING's text: `google` is Google Cloud Text-to-Speech (extra "
        "`google-tts`), `espeak-ng` Debian's package of that name.",
    )
    tts_language: str | None = _from(
        "TTS_LANGUAGE",
        None,
        read.matching(read.LANGUAGE, "a BCP-47 code such as he-IL"),
        "The language that is spoken to the caller. Not set: that of GCP_STT_LANGUAGE.",
    )
    tts_voice: str | None = _from(
        "TTS_VOICE",
        None,
        read.matching(read.VOICE, "a voice's name such as he-IL-Wavenet-A"),
        "The voice of TTS_ENGINE. Not set: the engine's own for the language.",
    )
    tts_endpoint: str | None = _from(
        "GCP_TTS_ENDPOINT",
        None,
        read.endpoint,
        "HOST:PORT of a service that speaks as Google Cloud Text-to-Speech does; on loopback it is spoken to "
        "in plaintext and without credentials where GCP_STT_INSECURE=true.",
    )
    twilio_api_url: str | None = _from(
        "TWILIO_API_URL",
        None,
        read.url,
        "Where Twilio's REST API is, for `hang_up`, `transfer` and SHUTDOWN_CALLS=move, if elsewhere than at "
        "Twilio.",
    )
    log_format: str = _from(
        "LOG_FORMAT",
        "text",
        read.one_of(*LOG_FORMATS),
        "`text`: a line as twistd writes it. `json`: one object a line with time, level, call, session, event and "
        "text. A `--logger` or `--syslog` of twistd's own wins.",
    )
    log_level: str = _from(
        "LOG_LEVEL",
        "info",
        read.one_of(*LOG_LEVELS),
        "The least level that is logged; `warn` leaves out what callers say and all that goes well.",
    )
    log_partials: bool = _from(
        "LOG_PARTIALS",
        "true",
        read.flag,
        "`false` keeps partials out of the log; a busy server need not write each.",
    )
    log_texts: bool = _from(
        "LOG_TEXTS",
        "true",
        read.flag,
        "`false` logs how long what callers say is, not what it is; so do `JOURNAL_REDACT=texts` and `all`.",
    )
    journal_url: str = _from(
        "JOURNAL_URL",
        "sqlite:///voicestt-journal.db",
        read.journal_url,
        "The database that every event is written to before it is delivered: `sqlite:///FILE`, "
        "`postgresql://…` (extra `postgresql`), or `off`. A password in it is never printed.",
        secret=True,
    )
    journal_days: float = _from(
        "JOURNAL_DAYS",
        "30",
        read.between(0, 36_500, float, "a number of days"),
        "Older calls are deleted; 0: never.",
    )
    journal_redact: str = _from(
        "JOURNAL_REDACT",
        "none",
        read.one_of("none", "numbers", "texts", "all"),
        "What is kept out of the journal: phone numbers, what was said, or both.",
    )
    journal_spill_dir: str | None = _from(
        "JOURNAL_SPILL_DIR",
        None,
        str,
        "The folder where events wait, in files of mode 0600, while the journal's tables are of a newer version "
        "than the server. Not set: that of the SQLite file; with PostgreSQL, the folder that the server is "
        "started in.",
    )
    events_webhooks: tuple[read.Receiver, ...] | None = _from(
        "EVENTS_WEBHOOK_URL",
        None,
        read.receivers,
        "Each event is POSTed there, signed as Standard Webhooks has it, at least once, a call's in order. "
        "Several addresses, separated by blanks or commas: each gets every event, however the others fare.",
        secret=True,
    )
    events_webhook_secret: tuple[bytes, ...] | None = _from(
        "EVENTS_WEBHOOK_SECRET",
        None,
        read.webhook_secrets,
        "What the POSTs are signed with: `whsec_` and 24 to 64 bytes in base64; while you change it, the new and "
        "the old one with a comma between, and both sign. Never printed. Required with EVENTS_WEBHOOK_URL.",
        secret=True,
    )
    events_webhook_partials: bool = _from(
        "EVENTS_WEBHOOK_PARTIALS", "false", read.flag, "Partials are POSTed too."
    )
    events_webhook_types: tuple[str, ...] = _from(
        "EVENTS_WEBHOOK_TYPES",
        "",
        read.some_of(*TYPES),
        "The types of events that are POSTed, separated by commas (`final,call_ended`); `partial` among them is "
        "EVENTS_WEBHOOK_PARTIALS=true. Not set: all but partials. What waits already is still delivered.",
    )
    events_webhook_hours: float = _from(
        "EVENTS_WEBHOOK_HOURS",
        "24",
        read.between(0.001, 720, float, "a number of hours"),
        "An event that fails for so long is dead-lettered: `voicestt deliveries` shows it.",
    )
    events_webhook_order: str = _from(
        "EVENTS_WEBHOOK_ORDER",
        "skip",
        read.one_of("skip", "strict"),
        "What a refused event (4xx but 408, 425, 429) means for its call. `skip`: after five attempts within two "
        "minutes it is dead-lettered and the call goes on; `strict`: the call waits, for EVENTS_WEBHOOK_HOURS.",
    )
    events_webhook_at_once: int = _from(
        "EVENTS_WEBHOOK_AT_ONCE",
        "32",
        read.number(1, 1_000),
        "Calls whose events are POSTed at the same time at most.",
    )
    events_webhook_batch: int = _from(
        "EVENTS_WEBHOOK_BATCH",
        "1",
        read.number(1, 1_000),
        "More than 1: up to so many events of a call that wait go in one POST, whose body is a JSON array then, "
        "also of one.",
    )
    redis_url: str | None = _from(
        "REDIS_URL",
        None,
        read.redis_url,
        "A Redis (extra `redis`) that each event is added to, in the streams `voicestt:events:0`, `…:1`, and on: "
        "`redis://`, `redis+sentinel://` or `redis+cluster://`.",
        secret=True,
    )
    redis_shards: int = _from(
        "REDIS_SHARDS", "4", read.number(1, 256), "How many streams; all events of a call are in the same one."
    )
    redis_maxlen: int = _from(
        "REDIS_MAXLEN",
        "100000",
        read.number(100, 100_000_000),
        "Redis forgets the oldest events of a stream beyond about so many.",
    )
    redis_replicas: int = _from(
        "REDIS_REPLICAS",
        "0",
        read.number(0, 9),
        "An event counts as delivered only when so many replicas have it too (WAIT): a primary that dies takes "
        "none along.",
    )
    redis_partials: bool = _from("REDIS_PARTIALS", "true", read.flag, "Partials are added to the streams too.")
    events_token: str | None = _from(
        "EVENTS_TOKEN",
        None,
        read.header_secret,
        "The bearer token for `GET /events` and `GET /ws/live`, which are closed without one. Never printed.",
        secret=True,
    )
    control_socket: str | None = _from(
        "VOICESTT_SOCKET",
        None,
        str,
        "The Unix socket (mode 0600) that `voicestt flag` and `voicestt drain` reach the server by. Not set: one "
        "that they find by themselves, in `$XDG_RUNTIME_DIR/voicestt` or a folder of this user's for temporary "
        "files.",
    )

    given: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    """The variables that were set, whether or not to their defaults."""

    @property
    def twilio_auth_tokens(self) -> tuple[str, ...]:
        """The accepted auth tokens; Twilio's REST API is asked with the first that it takes."""
        return read.several(self.twilio_auth_token or "")

    @property
    def google_project(self) -> str | None:
        """The Google project of requests: GCP_PROJECT, or the key's own."""
        return self.project or (self.credentials.project if self.credentials else None)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Reads the settings in `environ`; an empty variable counts as not set.

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
    """Reads the settings in `environ`, also where something is wrong; an empty variable counts as not set."""
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
    """Returns all variables, in the order of the code."""
    return [variable for _, variable in setting_fields()]


def differences(one: Settings, other: Settings) -> list[str]:
    """Returns the names of the variables that differ between two settings, in the order of the code."""
    return [variable.name for name, variable in setting_fields() if getattr(one, name) != getattr(other, name)]


def setting_fields() -> Iterator[tuple[str, Variable]]:
    """Yields the attribute of `Settings` and the variable of each setting, in the order of the code."""
    for each in fields(Settings):
        if "variable" in each.metadata:
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
