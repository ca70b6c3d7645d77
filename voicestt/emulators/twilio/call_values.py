"""The values of a call: its target, options, audio and report."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal
from urllib.parse import urlsplit

from voicestt.audio.mulaw import BYTES_PER_FRAME, BYTES_PER_SECOND, SILENCE
from voicestt.emulators.twilio.clip import voiced_span
from voicestt.emulators.twilio.problems import CallProblem
from voicestt.emulators.twilio.schedule import EVERY_20_MS, Insert, Schedule
from voicestt.emulators.twilio.tracks import TrackSpan
from voicestt.emulators.twilio.twiml import Fetch

Callee = Literal["completed", "busy", "no-answer", "failed"]
AnsweredBy = Literal["human", "machine_start", "fax", "unknown"]
EndedBy = Literal["caller", "server", "api", "twiml"]
WEBHOOK_PATH = "/webhook/incoming_call"


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """The server: its address (`url`), and the public name that the signatures are computed over.

    A `url` with a path names the webhook itself; `public_host` may carry a port. An `auth_token` of None
    leaves the signatures out.
    """

    url: str
    public_host: str | None = None
    auth_token: str | None = field(default=None, repr=False)

    @property
    def webhook_path(self) -> str:
        """The path of the first webhook."""
        path = urlsplit(self.url).path
        return path if path not in {"", "/"} else WEBHOOK_PATH

    @property
    def public_url(self) -> str:
        """The public URL of the first webhook, as entered in Twilio's console."""
        here = urlsplit(self.url)
        origin = f"https://{self.public_host}" if self.public_host else f"{here.scheme}://{here.netloc}"
        return origin + self.webhook_path

    def reached_at(self, url: str) -> str:
        """Map a public `url` to the address to connect to: its path here, as secure as `self.url` is."""
        here, there = urlsplit(self.url), urlsplit(url)
        socket = there.scheme in {"ws", "wss"}
        scheme = here.scheme.replace("http", "ws") if socket else here.scheme
        query = f"?{there.query}" if there.query and not socket else ""  # Twilio takes it off sockets
        return f"{scheme}://{here.netloc}{there.path or '/'}{query}"


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The caller's behaviour; times in seconds.

    `silence` follows the clip so that a recogniser can finish, `leading_silence` precedes it. `lose_stop`
    closes the socket without a stop message, `drop_at` cuts the connection that long after the stream was opened
    without any goodbye, `subprotocol` offers audio.twilio.com as some test clients do (Twilio does not).
    `schedule` has the length of the frames and the pauses between them, `inserts` what is said in between (keys,
    bad input). A `slow_reader` takes nothing of what the server sends until the call is over. `callee` is how a
    `<Dial>` goes (Twilio's DialCallStatus; completed: somebody picks up), `answered_by` who picks up a
    call that the server placed, if it asked (Twilio's AnsweredBy), `fallback_url` is asked for TwiML where the
    webhook fails ("Primary handler fails"). `other` is what the caller hears (mu-law), the second
    track of a stream of both, and `spans` are when either track has frames, where it has none at other times.
    """

    silence: float = 1.5
    leading_silence: float = 0.0
    lose_stop: bool = False
    drop_at: float | None = None
    status_callbacks: bool = True
    subprotocol: bool = False
    schedule: Schedule = EVERY_20_MS
    inserts: tuple[Insert, ...] = ()
    slow_reader: bool = False
    callee: Callee = "completed"
    answered_by: str = "human"
    other: bytes | None = field(default=None, repr=False)
    fallback_url: str | None = None
    spans: tuple[TrackSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class CallUpdate:
    """A change of a live call by REST: a document to fetch, or one that came along (`twiml`); neither ends it."""

    fetch: Fetch | None = None
    twiml: str | None = None
    fallback: Fetch | None = None


@dataclass(frozen=True, slots=True)
class Speech:
    """All the audio of a call, mu-law, and the span of the voice in it (bytes, at whole frames).

    `other` is what the caller hears meanwhile, from its beginning on; empty where nothing is known of it.

    The last frame is filled up with silence, as a telephone line does: every frame has `frame_bytes`, and the
    silence counts as sent.
    """

    audio: bytes
    voice_begins: int
    voice_ends: int
    frame_bytes: int = BYTES_PER_FRAME
    other: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, clip: bytes, options: CallOptions) -> "Speech":
        """Put the clip between its silences."""
        before = _silence(options.leading_silence)
        first, last = voiced_span(clip)
        audio = before + clip + SILENCE * (-len(clip) % BYTES_PER_FRAME) + _silence(options.silence)
        size = options.schedule.frame_bytes
        other = b"" if options.other is None else before + options.other
        audio += SILENCE * max(0, len(other) - len(audio))
        audio += SILENCE * (-len(audio) % size)
        other += SILENCE * (len(audio) - len(other) if other else 0)
        return cls(audio, len(before) + first, len(before) + last, size, other)

    @property
    def frames(self) -> int:
        """The number of frames."""
        return len(self.audio) // self.frame_bytes

    def frame(self, number: int) -> bytes:
        """Return the audio of one frame, counted from 0."""
        return self.audio[number * self.frame_bytes : (number + 1) * self.frame_bytes]

    def other_frame(self, number: int) -> bytes:
        """Return what the caller hears during that frame."""
        return self.other[number * self.frame_bytes : (number + 1) * self.frame_bytes]


def _silence(seconds: float) -> bytes:
    return SILENCE * (round(seconds * BYTES_PER_SECOND / BYTES_PER_FRAME) * BYTES_PER_FRAME)


@dataclass(frozen=True, slots=True)
class StreamLeg:
    """One stream of a call: opened when `start` was sent, left when `stop` was or when its loss was noticed.

    `by_server` says that the server closed it, or that its connection broke. `sent` is the part of the call's
    audio that it carried: first byte, byte after the last.
    """

    stream_sid: str
    opened_at: float
    left_at: float
    by_server: bool = False
    sent: tuple[int, int] = (0, 0)
    close_code: int | None = None
    close_reason: str | None = None


@dataclass(frozen=True, slots=True)
class CallReport:
    """The result of a call; times `*_at` are CLOCK_MONOTONIC seconds, None if it did not come so far.

    `voice_began_at` is when the first voiced frame was due, `voice_ended_at` is 20 ms after the last one was.
    `latest_frame_ms` says how late a frame ever was. `bytes_sent` are the caller's, `other_bytes_sent` those of
    what the caller hears, in a stream of both tracks. A status of 0 means that no answer came. `inserted` are the
    keys and the kinds of bad input that were sent.

    `received_audio` is all that the server sent, `heard_audio` what the caller heard, from the first frame to the
    end of the call: with silence where nothing was played, and without what was cleared. Both are mu-law.
    `first_heard_at` is when the first audio came, `cleared_at` when each clear did.

    `streams` are the call's media streams in order, the closing figures those of the last; `unsent` are the parts
    of the call's audio (first byte, byte after the last) that were spoken while there was none. `verbs` are the
    TwiML's as they were performed, `updates` counts the REST API's. `warnings` are what Twilio logs and the call
    survived; `ended_by` is who ended it: the caller, the server by a closed stream, the API, or the TwiML.
    """

    call_sid: str
    stream_sid: str
    bytes_sent: int = 0
    other_bytes_sent: int = 0
    frames_sent: int = 0
    seconds: float = 0.0
    first_frame_at: float | None = None
    voice_began_at: float | None = None
    voice_ended_at: float | None = None
    latest_frame_ms: float = 0.0
    webhook_status: int = 0
    subprotocol: str | None = None
    status_callbacks: tuple[tuple[str, int], ...] = ()
    close_code: int | None = None
    close_reason: str | None = None
    received_audio: bytes = field(default=b"", repr=False)
    heard_audio: bytes = field(default=b"", repr=False)
    first_heard_at: float | None = None
    cleared_at: tuple[float, ...] = ()
    marks_returned: tuple[str, ...] = ()
    inserted: tuple[str, ...] = ()
    streams: tuple[StreamLeg, ...] = ()
    unsent: tuple[tuple[int, int], ...] = ()
    verbs: tuple[str, ...] = ()
    updates: int = 0
    ended_by: EndedBy = "caller"
    warnings: tuple[CallProblem, ...] = ()
    problems: tuple[CallProblem, ...] = ()

    @property
    def gaps(self) -> list[float]:
        """The seconds between each two streams."""
        return [after.opened_at - before.left_at for before, after in pairwise(self.streams)]

    @property
    def ok(self) -> bool:
        """True when the call was taken and ended as it was meant to."""
        return not self.problems
