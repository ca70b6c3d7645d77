"""The settings of calls: what callers hear, the application, who may connect, and the process."""

from dataclasses import dataclass

from voicestt.config import readers as read
from voicestt.config.variable import setting

LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warn", "error", "critical")


@dataclass(frozen=True, kw_only=True)
class AnswerSettings:
    """The settings of what the caller hears."""

    greeting: str = setting(
        "GREETING",
        "default",
        str,
        "What the caller hears at once: `default` (a chime), `off`, the path of an audio file, or a text, which "
        "needs a TTS_ENGINE.",
    )
    greeting_max_ms: int = setting(
        "GREETING_MAX_MS",
        "800",
        read.number(100, 60_000),
        "A longer greeting is refused at the start.",
    )
    tts_engine: str = setting(
        "TTS_ENGINE",
        "off",
        read.one_of("off", "google", "espeak-ng"),
        "What speaks `say_text` and the GREETING's text: `google` is Google Cloud Text-to-Speech (extra "
        "`google-tts`), `espeak-ng` Debian's package of that name.",
    )
    tts_language: str | None = setting(
        "TTS_LANGUAGE",
        None,
        read.matching(read.LANGUAGE, "a BCP-47 code such as he-IL"),
        "The language that is spoken to the caller. Not set: that of GCP_STT_LANGUAGE.",
    )
    tts_voice: str | None = setting(
        "TTS_VOICE",
        None,
        read.matching(read.VOICE, "a voice's name such as he-IL-Wavenet-A"),
        "The voice of TTS_ENGINE. Not set: the engine's own for the language.",
    )
    tts_endpoint: str | None = setting(
        "GCP_TTS_ENDPOINT",
        None,
        read.endpoint,
        "HOST:PORT of a service that speaks as Google Cloud Text-to-Speech does; on loopback it is spoken to "
        "in plaintext and without credentials where GCP_STT_INSECURE=true.",
    )


@dataclass(frozen=True, kw_only=True)
class HandlerSettings:
    """The settings of the application's handler."""

    handler_queue: int = setting(
        "HANDLER_QUEUE",
        "1000",
        read.number(10, 1_000_000),
        "Events of one call that wait for its handler at most.",
    )
    handler_overflow: str = setting(
        "HANDLER_OVERFLOW",
        "drop",
        read.one_of("drop", "hang_up"),
        "When so many wait. `drop`: new ones that are no finals are dropped, and counted; `hang_up`: the call is "
        "ended. A final is never dropped.",
    )
    handler_threads: int = setting(
        "HANDLER_THREADS",
        "64",
        read.number(1, 1_000),
        "Plain functions of a handler that run at once; `async def` needs no thread.",
    )
    twilio_api_url: str | None = setting(
        "TWILIO_API_URL",
        None,
        read.url,
        "Where Twilio's REST API is, for `hang_up`, `transfer` and SHUTDOWN_CALLS=move, if elsewhere than at "
        "Twilio.",
    )


@dataclass(frozen=True, kw_only=True)
class AccessSettings:
    """The settings of who may connect."""

    twilio_validate: bool = setting(
        "TWILIO_VALIDATE",
        "true",
        read.flag,
        "`false` takes unsigned requests from anybody, and says so loudly in the log.",
    )
    require_known_call: bool = setting(
        "REQUIRE_KNOWN_CALL",
        "false",
        read.flag,
        "`true` takes a socket only for a CallSid that a webhook announced in the last five minutes, of the same "
        "account, and each announcement for one socket.",
    )
    max_connections: int = setting(
        "MAX_CONNECTIONS",
        "1000",
        read.number(10, 1_000_000),
        "Connections that are not calls, at most; beyond that the one that did nothing for the longest is cut. "
        "Never more than half of the descriptors that the process may have.",
    )
    max_connections_per_address: int = setting(
        "MAX_CONNECTIONS_PER_ADDRESS",
        "200",
        read.number(1, 1_000_000),
        "The same, of one address, or one /64 of IPv6; signed handshakes are not counted. A proxy is one address, "
        "unless it is in TRUSTED_PROXIES.",
    )
    trusted_proxies: tuple[read.Network, ...] = setting(
        "TRUSTED_PROXIES",
        "",
        read.networks,
        "Addresses or networks of your proxies, separated by commas (`10.0.0.0/8,::1`): only their "
        "`X-Forwarded-For` is believed, for counting by address, and they may have MAX_CONNECTIONS.",
    )


@dataclass(frozen=True, kw_only=True)
class OverloadSettings:
    """The limits beyond which new calls are refused."""

    max_calls: int | None = setting(
        "MAX_CALLS",
        None,
        read.number(1, 1_000_000),
        "Live calls at most; new ones get what BUSY says. Not set: as many as come, while MAX_LAG_MS allows it.",
    )
    max_lag_ms: int = setting(
        "MAX_LAG_MS",
        "250",
        read.number(0, 60_000),
        "New calls get what BUSY says once the server's reactor has been late by more than this for 3 s, until it "
        "has fallen to half of it: live calls keep their delays. `0`: never.",
    )
    busy: str = setting(
        "BUSY",
        "503",
        read.busy,
        "What a new call gets that is not taken. `503`: Twilio asks what the number has as `Primary handler "
        "fails`. A telephone number (`+972501234567`) or a SIP address: it is dialled. Any other text is said to "
        "the caller, in the language of TTS_LANGUAGE.",
        secret=True,  # it may be a telephone number
    )


@dataclass(frozen=True, kw_only=True)
class ShutdownSettings:
    """The settings of restarts and deploys."""

    shutdown_seconds: float = setting(
        "SHUTDOWN_SECONDS",
        "25",
        read.seconds(0, 86_400),
        "How long the whole stop takes at most, from SIGTERM or `voicestt drain` on, whatever hangs: no new "
        "calls, live ones go on, and their last words, the journal and the deliveries have the end of it (0.4 of "
        "it, at most 10 s). Without a live call the server ends at once; a second signal ends the calls now. Set "
        "less than the time after which your platform kills. `0`: calls end at once, and what hangs has 25 s.",
    )
    shutdown_calls: str = setting(
        "SHUTDOWN_CALLS",
        "end",
        read.one_of("end", "move"),
        "What becomes of calls that are live when the server stops. `end`: they are ended when their time is "
        "up. `move`: Twilio is asked, by its REST API, to ask the webhook again for each of them, spread over the "
        "time, and another process behind PUBLIC_HOST goes on with it.",
    )
    twiml_reconnect: bool = setting(
        "TWIML_RECONNECT",
        "false",
        read.flag,
        "`true`: a `<Redirect>` to the webhook follows `</Connect>` in the TwiML, so that a call whose server was "
        "killed comes back by itself, at most 5 times in 10 minutes. A call that the application hung up ends.",
    )


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """The settings of the log."""

    log_format: str = setting(
        "LOG_FORMAT",
        "text",
        read.one_of(*LOG_FORMATS),
        "`text`: a line as twistd writes it. `json`: one object a line with time, level, call, session, event and "
        "text. A `--logger` or `--syslog` of twistd's own wins.",
    )
    log_level: str = setting(
        "LOG_LEVEL",
        "info",
        read.one_of(*LOG_LEVELS),
        "The least level that is logged; `warn` leaves out what callers say and all that goes well.",
    )
    log_partials: bool = setting(
        "LOG_PARTIALS",
        "true",
        read.flag,
        "`false` keeps partials out of the log; a busy server need not write each.",
    )
    log_texts: bool = setting(
        "LOG_TEXTS",
        "true",
        read.flag,
        "`false` logs how long what callers say is, not what it is, and of an exception its type and place only; "
        "so do `JOURNAL_REDACT=texts` and `all`.",
    )


@dataclass(frozen=True, kw_only=True)
class ProcessSettings:
    """The settings of the process."""

    port: int = setting(
        "PORT", "5000", read.number(0, 65_535), "The port that is listened on where no `--listen` says otherwise."
    )
    workers: int = setting(
        "WEB_CONCURRENCY",
        "1",
        read.number(1, 100),
        "So many processes share the work, under a supervisor (`twistd voicestt --workers N`); 1 is a single "
        "process without one. Each carries about 400 calls on a core of its own, and `MAX_CALLS` and other limits "
        "are each one's. Some platforms set it by themselves, Heroku for one.",
    )
    control_socket: str | None = setting(
        "VOICESTT_SOCKET",
        None,
        str,
        "The Unix socket (mode 0600) that `voicestt flag` and `voicestt drain` reach the server by. Not set: one "
        "that they find by themselves, in `$XDG_RUNTIME_DIR/voicestt` or a folder of this user's for temporary "
        "files.",
    )
    metrics_token: str | None = setting(
        "METRICS_TOKEN",
        None,
        read.header_secret,
        "Who has it may read `/metrics`, as Prometheus does with `authorization: {credentials: …}`. Not set: the "
        "path is 404; `twistd voicestt --metrics ENDPOINT` gives the metrics an address of their own. Never "
        "printed.",
        secret=True,
    )
