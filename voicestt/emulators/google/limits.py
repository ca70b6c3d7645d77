"""The rules and limits of Google's streaming protocol, as values and one small state machine.

No clock, no I/O: times are seconds of the service's own clock, counted from the stream's start. The sentences
are those users of the real service quote; a client may branch on them, so they are kept to the letter.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

MALORDERED = "Malordered Data Received. Send exactly one config, followed by audio data."
NO_AUDIO_SET = (
    "Malordered Data Received. Expected audio_content none was set. "
    "Send exactly one config, followed by audio data."
)
AUDIO_TIMEOUT = (
    "Audio Timeout Error: Long duration elapsed without audio. Audio should be sent close to real time."
)
TOO_FAST = "Audio data is being streamed too fast. Please stream audio data approximately at real time."
SYNC_TOO_LONG = "Sync input too long. For audio longer than 1 min use LongRunningRecognize with a 'uri' parameter."

INLINE_TOO_LONG = "Inline audio exceeds duration limit. Please use a GCS URI."
NO_STORAGE = "This local service has no Cloud Storage: send the audio itself, as content, and get the words back."
LARGEST_REQUEST = 10_485_760
REQUEST_TOO_LARGE = f"Request payload size exceeds the limit: {LARGEST_REQUEST} bytes."


class Code(enum.IntEnum):
    """The status codes of gRPC, by their numbers on the wire."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


USUAL_WORDS = {
    Code.CANCELLED: "The operation was cancelled.",
    Code.INVALID_ARGUMENT: "Request contains an invalid argument.",
    Code.DEADLINE_EXCEEDED: "Deadline Exceeded",
    Code.PERMISSION_DENIED: "The caller does not have permission",
    Code.RESOURCE_EXHAUSTED: "Resource has been exhausted (e.g. check quota).",
    Code.ABORTED: "Max duration of 5 minutes reached for stream.",
    Code.OUT_OF_RANGE: "Exceeded maximum allowed stream duration of 305 seconds.",
    Code.INTERNAL: "Internal error encountered.",
    Code.UNAVAILABLE: "The service is currently unavailable.",
    Code.UNAUTHENTICATED: (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
        "valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project."
    ),
}


class Refusal(Exception):
    """The status that ends a stream: `code` and `details` go to the client, and `violations` beside them.

    Those are pairs of a field and what is wrong with it.
    """

    def __init__(self, code: Code, details: str, violations: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.violations = violations


class MessageKind(enum.Enum):
    """The content of one message of the client."""

    CONFIG = "config"
    AUDIO = "audio"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """Google's limits: seconds of the service's clock, seconds of audio, bytes of one message.

    `pace` is how many seconds of audio a second may carry and `burst` how many may come ahead of that; Google
    publishes neither ("about real time"), these are generous.
    """

    stream_seconds: float = 305.0
    silence_seconds: float = 10.0
    message_bytes: int = 25_600
    pace: float = 3.0
    burst: float = 30.0
    recording_seconds: float = 60.0


GOOGLES = ServiceLimits()
V2_STREAM_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Wording:
    """One version's status and wording for a timeout: `{:g}` stands for the seconds."""

    code: Code
    duration: str
    silence: str


V1_WORDING = Wording(Code.OUT_OF_RANGE, "Exceeded maximum allowed stream duration of {:g} seconds.", AUDIO_TIMEOUT)
V2_WORDING = Wording(
    Code.ABORTED,
    "Max duration of 5 minutes reached for stream.",
    "Stream timed out after receiving no more client requests.",
)


def _size_words(limits: ServiceLimits, size: int) -> str:
    allowed = f"Audio chunk can be of a maximum of {limits.message_bytes} bytes."
    return f"{allowed} Received audio of {size} bytes instead."


@dataclass(slots=True)
class StreamRules:
    """The rules of one StreamingRecognize call: config first, then audio in about real time, up to a limit.

    Feed it every message and ask `check` at `deadline`; both raise `Refusal` when Google would end the stream.
    """

    limits: ServiceLimits = GOOGLES
    wording: Wording = V1_WORDING
    configured: bool = False
    half_closed: bool = False
    audio_seconds: float = 0.0
    _last_audio: float = field(default=0.0, repr=False)

    def message(self, kind: MessageKind, size: int, seconds: float, now: float) -> None:
        """Check one message: `size` bytes that last `seconds` (both 0 unless it is audio), at time `now`."""
        if kind is MessageKind.CONFIG:
            self._config(now)
        elif kind is MessageKind.NOTHING:
            raise Refusal(Code.INVALID_ARGUMENT, NO_AUDIO_SET if self.configured else MALORDERED)
        else:
            self._audio(size, seconds, now)

    def half_close(self) -> None:
        """Record the client's half-close; refuses a stream that never had a config."""
        if not self.configured:
            raise Refusal(Code.INVALID_ARGUMENT, MALORDERED)
        self.half_closed = True

    def check(self, now: float) -> None:
        """Raise `Refusal` when the stream or a pause in its audio lasted too long."""
        if now >= self.limits.stream_seconds:
            raise self._too_long()
        if not self.half_closed and now - self._last_audio >= self.limits.silence_seconds:
            raise Refusal(self.wording.code, self.wording.silence)

    @property
    def deadline(self) -> float:
        """The time of the next `check`, if no message comes before."""
        if self.half_closed:
            return self.limits.stream_seconds
        return min(self.limits.stream_seconds, self._last_audio + self.limits.silence_seconds)

    def _config(self, now: float) -> None:
        if self.configured:
            raise Refusal(Code.INVALID_ARGUMENT, MALORDERED)
        self.configured = True
        self._last_audio = now

    def _audio(self, size: int, seconds: float, now: float) -> None:
        if not self.configured:
            raise Refusal(Code.INVALID_ARGUMENT, MALORDERED)
        if size > self.limits.message_bytes:
            raise Refusal(Code.INVALID_ARGUMENT, _size_words(self.limits, size))
        self.audio_seconds += seconds
        self._last_audio = now
        self._audio_within_limits(now)

    def _audio_within_limits(self, now: float) -> None:
        if self.audio_seconds > self.limits.burst + self.limits.pace * now:
            raise Refusal(Code.OUT_OF_RANGE, TOO_FAST)
        if self.audio_seconds > self.limits.stream_seconds:
            raise self._too_long()

    def _too_long(self) -> Refusal:
        return Refusal(self.wording.code, self.wording.duration.format(self.limits.stream_seconds))


def check_recording(seconds: float, limits: ServiceLimits = GOOGLES, too_long: str = SYNC_TOO_LONG) -> None:
    """Raise `Refusal` for a recording that is not taken, with the words for one that is too long."""
    if seconds == 0:
        raise Refusal(Code.INVALID_ARGUMENT, "RecognitionAudio not set.")
    if seconds > limits.recording_seconds:
        raise Refusal(Code.INVALID_ARGUMENT, too_long)


def billed_seconds(audio_seconds: float) -> int:
    """Return the seconds that Google bills: a begun second counts as a whole one."""
    return int(-(-round(audio_seconds, 6) // 1))  # seconds that were added up are a little more or less
