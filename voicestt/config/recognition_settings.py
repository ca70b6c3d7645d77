"""The settings of recognition: the six to set first, Google, what stands behind it, and its streams."""

from dataclasses import dataclass

from voicestt.config import readers as read
from voicestt.config.credentials import Credentials, read_credentials
from voicestt.config.variable import setting


@dataclass(frozen=True, kw_only=True)
class FirstSettings:
    """The six settings that matter first."""

    public_host: str = setting(
        "PUBLIC_HOST",
        None,
        read.public_host,
        "The name Twilio reaches this server by. It always wins over the Host header and any "
        "development domain. A pasted `https://host/` is understood, a path behind it is refused.",
        required=True,
    )
    twilio_auth_token: str | None = setting(
        "TWILIO_AUTH_TOKEN",
        None,
        read.secret,
        "The account's auth token, which Twilio signs its requests with. Never printed. Required "
        "unless TWILIO_VALIDATE=false. Several, separated by commas, while a token is rotated or for subaccounts: "
        "each is accepted, and Twilio's REST API is asked with the first, then with the others if it is refused.",
        secret=True,
    )
    credentials: Credentials | None = setting(  # noqa: RUF009 - it makes a field, as all the others
        "GOOGLE_APPLICATION_CREDENTIALS",
        None,
        read_credentials,
        "Google's key: a path, or the JSON itself, or that in base64. Never printed. Not set: Google's "
        "application default credentials of the machine are used; where there are none the server does not start, "
        "unless Google is not asked.",
        secret=True,
    )
    language: str = setting(
        "GCP_STT_LANGUAGE",
        "he-IL",
        read.matching(read.LANGUAGE, "a BCP-47 code such as he-IL"),
        "The language spoken, as a BCP-47 code. `he-IL` is sent as Google's own `iw-IL`.",
    )
    enable_streaming_stt: bool = setting(
        "ENABLE_STREAMING_STT",
        "false",
        read.flag,
        "The safety net. `true`: speech is streamed to Google and partials come while the caller "
        "speaks. `false`: one `recognize` per utterance, finals only. It can be turned while calls are live: "
        "`voicestt flag`, or SIGHUP, at which the file of VOICESTT_ENV_FILE wins.",
    )
    handler: str | None = setting(
        "HANDLER",
        None,
        read.matching(read.ATTRIBUTE, "package.module:Name"),
        "The application's class, as `package.module:Name`; `--handler` says the same. Its rules are in "
        "`voicestt/handler/protocol.py`.",
    )


@dataclass(frozen=True, kw_only=True)
class GoogleSettings:
    """The settings of recognition by Google."""

    model: str = setting(
        "GCP_STT_MODEL",
        "phone_call",
        read.matching(read.WORD, "a model's name such as default"),
        "Google's model. A pair of model and language that Google refuses (`phone_call` with Hebrew) "
        "becomes `default`; where it was set, one loud line in the log says so.",
    )
    punctuation_interim: bool = setting(
        "GCP_STT_PUNCTUATION_INTERIM", "false", read.flag, "Punctuation in partials."
    )
    punctuation_final: bool = setting("GCP_STT_PUNCTUATION_FINAL", "true", read.flag, "Punctuation in finals.")
    batch_ms: int = setting(
        "STT_BATCH_MS",
        "150",
        read.number(20, 1_000),
        "Milliseconds of audio in one message to Google.",
    )
    partial_debounce_ms: int = setting(
        "STT_PARTIAL_DEBOUNCE_MS",
        "180",
        read.number(0, 10_000),
        "A call's partials reach the application at most this often. Finals are never held back.",
    )
    utterance_end_ms: int = setting(
        "UTTERANCE_END_MS",
        "700",
        read.number(100, 10_000),
        "Milliseconds of silence after a final that end the caller's turn (`utterance_end`).",
    )
    api: str = setting(
        "GCP_STT_API",
        "v1",
        read.one_of("v1", "v2"),
        "The version of Google's API. v2 has the models `chirp_3`, `telephony` and others, and needs a project.",
    )
    location: str = setting(
        "GCP_STT_LOCATION",
        "global",
        read.matching(read.PLACE, "a location such as eu"),
        "Where v2 recognises. Google has `chirp_3` in `us`, `eu` and some others, but not in `global`.",
    )
    project: str | None = setting(
        "GCP_PROJECT",
        None,
        read.matching(read.PROJECT, "a project's id"),
        "The Google project that v2 is asked for. Not set: the one that the key names.",
    )
    endpoint: str | None = setting(
        "GCP_STT_ENDPOINT",
        None,
        read.endpoint,
        "HOST:PORT of a Google-compatible service elsewhere (a regional endpoint, or a local one).",
    )
    insecure: bool = setting(
        "GCP_STT_INSECURE",
        "false",
        read.flag,
        "Plaintext and no credentials towards GCP_STT_ENDPOINT; allowed on loopback only.",
    )


@dataclass(frozen=True, kw_only=True)
class WhisperSettings:
    """The settings of recognition by Whisper, instead of Google or behind it."""

    engine: str = setting(
        "STT_ENGINE",
        "google",
        read.one_of("google", "embedded"),
        "`embedded` starts a Google-compatible service inside the server, with the recogniser of the "
        "`embedded` extra behind it: no account is needed.",
    )
    whisper_model: str | None = setting(
        "WHISPER_MODEL",
        None,
        str,
        "A directory with a Whisper of your own in ctranslate2's format, for the embedded engine and for the "
        "utterances that Google fails to recognise. `off`: no Whisper behind Google, also where the extra "
        "`embedded` is installed.",
    )
    whisper_url: str | None = setting(
        "WHISPER_URL",
        None,
        read.url,
        "The whole address of an OpenAI-compatible transcription endpoint "
        "(`http://127.0.0.1:8000/v1/audio/transcriptions`), which is asked for the utterances that Google fails "
        "to recognise, instead of the engine of the `embedded` extra.",
    )
    whisper_url_model: str = setting(
        "WHISPER_URL_MODEL",
        "whisper-1",
        read.matching(read.MODEL_NAME, "a model's name such as whisper-1"),
        "The model that WHISPER_URL is asked for.",
    )
    whisper_api_key: str | None = setting(
        "WHISPER_API_KEY",
        None,
        read.header_secret,
        "The key for WHISPER_URL, sent as `Authorization: Bearer`. Never printed.",
        secret=True,
    )


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """The settings of streams, their limits and outages."""

    soft_limit_seconds: float = setting(
        "STT_SOFT_LIMIT_SECONDS",
        "240",
        read.seconds(1, 300),
        "A stream this old is replaced at the next final or silence: Google ends it after 305 s.",
    )
    hard_limit_seconds: float = setting(
        "STT_HARD_LIMIT_SECONDS", "285", read.seconds(1, 304), "A stream this old is replaced in any case."
    )
    retain_seconds: float = setting(
        "STT_RETAIN_SECONDS",
        "600",
        read.seconds(5, 3_600),
        "How much of a call's audio is kept until a final has covered it, to be recognised after an outage: "
        "8 kB a second.",
    )
    retain_total_mb: int = setting(
        "STT_RETAIN_TOTAL_MB",
        "512",
        read.number(1, 1_000_000),
        "How much audio all calls keep together. Beyond it the longest lets its oldest go, and says so "
        "(`unrecognised`).",
    )
    restarts: int = setting(
        "STT_RESTARTS",
        "3",
        read.number(0, 100),
        "Failing streams of one call that are replaced within 30 s; one more, and the call goes on with one "
        "request per utterance.",
    )
    silent_seconds: float = setting(
        "STT_SILENT_SECONDS",
        "5",
        read.seconds(0.5, 60),
        "A stream that has speech and does not answer is replaced within about so long: at 0.6 of it a second "
        "stream is given the newest audio, and the first is hung if that one understands it, or does not end. "
        "Waits longer for a service that has been slower, and after sounds that nobody understood.",
    )
    hold_seconds: float = setting(
        "STT_HOLD_SECONDS",
        "5",
        read.seconds(0.1, 9),
        "A stream that gets no audio for so long is closed, and opened again by the next: Google ends it "
        "after 10 s.",
    )
    queue_seconds: float = setting(
        "STT_QUEUE_SECONDS",
        "5",
        read.seconds(0.5, 60),
        "A stream that takes audio so slowly that this much waits is replaced.",
    )
    recover_seconds: float = setting(
        "STT_RECOVER_SECONDS",
        "60",
        read.seconds(0, 86_400),
        "A call that fell back asks so often whether streaming works again, and returns to it; 0: never.",
    )
    drain_seconds: float = setting(
        "STT_DRAIN_SECONDS",
        "20",
        read.seconds(0.1, 60),
        "How long a call that has ended waits for its last words, whatever fails.",
    )
    session_threads: int = setting(
        "STT_SESSION_THREADS",
        "1",
        read.number(1, 16),
        "Threads that carry the streams to Google; each carries many calls.",
    )
    gap_ms: int = setting(
        "STT_GAP_MS",
        "600",
        read.number(0, 10_000),
        "So many milliseconds without a frame, in the middle of a call, end what was said: carriers that suppress "
        "silence send none. A network that often stands still for longer needs more; 0: never.",
    )
    idle_seconds: float = setting(
        "IDLE_SECONDS",
        "30",
        read.seconds(1, 3_600),
        "A socket that says nothing for so long, and answers no ping, is closed and its call ended.",
    )
    no_media_seconds: float = setting(
        "NO_MEDIA_SECONDS",
        "600",
        read.seconds(1, 86_400),
        "A socket that answers pings but brings no audio is on hold; after so long its call is ended too.",
    )
