"""Parses a webhook's TwiML as Twilio does, and refuses invalid TwiML with Twilio's error number.

A document is a tuple of verbs, which Twilio performs in order. The times that `<Say>` and `<Play>` take are
simulated: nothing is synthesised or fetched. Source: Twilio's "TwiML for Programmable Voice".
"""

import re
import xml.etree.ElementTree as ET  # what is read is one's own server's answer, and DTDs are refused first
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from voicestt.emulators.twilio.problems import CallRefused

NO_STREAM: Final = "the TwiML has no <Connect><Stream>: the caller would hear nothing and be hung up on"
_NUMBER: Final = re.compile(r"[0-9]{1,6}")
_TRACKS: Final = {
    "inbound_track": ("inbound",),
    "outbound_track": ("outbound",),
    "both_tracks": ("inbound", "outbound"),
}
_XML_TYPES = {"text/xml", "application/xml"}
CHARACTERS_A_SECOND: Final = 15
"""The speed of a `<Say>`: that of a calm voice."""
PLAY_SECONDS: Final = 1.0
"""The simulated length of every file that is played."""
FOR_EVER: Final = 1_000
"""The repetitions that loop="0" stands for."""
RING_SECONDS: Final = 30.0
"""The time that a `<Dial>` rings if its document does not say."""


@dataclass(frozen=True, slots=True)
class StreamNoun:
    """A `<Stream>`: the URLs for audio and status, exactly as written, its parameters, and the tracks it has."""

    url: str
    status_callback: str | None = None
    name: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    tracks: tuple[str, ...] = ("inbound",)


@dataclass(frozen=True, slots=True)
class Fetch:
    """A request for another document: `url` as written, which may be relative, GET or POST, and further fields."""

    url: str
    method: str = "POST"
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connect:
    """`<Connect><Stream>`: lasts as long as its stream; `action`, if there is one, is asked for what follows.

    A `<Start><Stream>` is simulated as one too: what stands behind it is performed when its stream is over.
    """

    stream: StreamNoun
    action: Fetch | None = None


@dataclass(frozen=True, slots=True)
class Listen:
    """`<Say>`, `<Play>` or `<Pause>`: the caller listens for `seconds`."""

    verb: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Dial:
    """`<Dial>`: rings for `seconds` at most."""

    seconds: float = RING_SECONDS
    action: Fetch | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """`<Redirect>`: what follows is another document."""

    to: Fetch


@dataclass(frozen=True, slots=True)
class HangUp:
    """`<Hangup>` or `<Reject>`: the end of the call."""

    verb: str


@dataclass(frozen=True, slots=True)
class UnknownVerb:
    """A verb that is not simulated; it is skipped."""

    verb: str


Verb = Connect | Listen | Dial | Redirect | HangUp | UnknownVerb


def parse_document(content_type: str | None, body: bytes) -> tuple[Verb, ...]:
    """Read the verbs of a document in order; raise `CallRefused`."""
    _check_content_type(content_type)
    return tuple(_verb(element) for element in _document(body))


def parse_twiml(content_type: str | None, body: bytes) -> StreamNoun:
    """Read the first stream that the answer asks for; raise `CallRefused`, also where there is none."""
    verbs = parse_document(content_type, body)
    stream = next((verb.stream for verb in verbs if isinstance(verb, Connect)), None)
    if stream is None:
        raise CallRefused(NO_STREAM)
    return stream


def _verb(element: ET.Element) -> Verb:
    parse = _VERBS.get(element.tag)
    return UnknownVerb(element.tag) if parse is None else parse(element)


def _connect(element: ET.Element) -> Verb:
    stream = element.find("Stream")
    if stream is None:
        return UnknownVerb(element.tag)
    _check_track(stream.get("track"))
    return Connect(_stream(stream, ("inbound",)), _action(element))


def _start(element: ET.Element) -> Verb:
    stream = element.find("Stream")
    if stream is None:
        return UnknownVerb(element.tag)
    track = stream.get("track", "inbound_track")
    if track not in _TRACKS:
        raise CallRefused(f"<Start><Stream> takes the tracks {', '.join(_TRACKS)}, not {track!r}", 31941)
    return Connect(_stream(stream, _TRACKS[track]))


def _stream(stream: ET.Element, tracks: tuple[str, ...]) -> StreamNoun:
    return StreamNoun(
        url=_checked_url(stream.get("url")),
        status_callback=stream.get("statusCallback"),
        name=stream.get("name"),
        parameters={item.get("name", ""): item.get("value", "") for item in stream.iter("Parameter")},
        tracks=tracks,
    )


def _say(element: ET.Element) -> Verb:
    return Listen(element.tag, len("".join(element.itertext()).strip()) / CHARACTERS_A_SECOND * _loops(element))


def _play(element: ET.Element) -> Verb:
    return Listen(element.tag, PLAY_SECONDS * _loops(element))


def _pause(element: ET.Element) -> Verb:
    return Listen(element.tag, _number(element, "length", 1))


def _dial(element: ET.Element) -> Verb:
    return Dial(_number(element, "timeout", RING_SECONDS), _action(element))


def _redirect(element: ET.Element) -> Verb:
    return Redirect(Fetch((element.text or "").strip(), _method(element)))


def _hang_up(element: ET.Element) -> Verb:
    return HangUp(element.tag)


_VERBS: Final[Mapping[str, Callable[[ET.Element], Verb]]] = {
    "Connect": _connect,
    "Start": _start,
    "Say": _say,
    "Play": _play,
    "Pause": _pause,
    "Dial": _dial,
    "Redirect": _redirect,
    "Hangup": _hang_up,
    "Reject": _hang_up,
}


def _action(element: ET.Element) -> Fetch | None:
    action = element.get("action")
    return Fetch(action, _method(element)) if action is not None else None


def _method(element: ET.Element) -> str:
    return "GET" if element.get("method", "POST").upper() == "GET" else "POST"


def _loops(element: ET.Element) -> float:
    return _number(element, "loop", 1) or FOR_EVER


def _number(element: ET.Element, name: str, otherwise: float) -> float:
    text = element.get(name)
    if text is None:
        return otherwise
    if not _NUMBER.fullmatch(text):
        raise CallRefused(f"<{element.tag}> has {name}={text!r}, which is no whole number", 12200)
    return int(text)


def _check_content_type(content_type: str | None) -> None:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type not in _XML_TYPES:
        raise CallRefused(
            f"the webhook's answer has the content type {content_type!r}; it has to be text/xml", 12300
        )


def _document(body: bytes) -> ET.Element:
    if not body.startswith(b"<"):
        raise CallRefused(f"the TwiML begins with {body[:20]!r}; nothing may stand before its first '<'", 12100)
    if b"<!DOCTYPE" in body:
        raise CallRefused("the TwiML has a DOCTYPE, which is no part of TwiML", 12100)
    try:
        root = ET.fromstring(body)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError) as error:
        raise CallRefused(f"the webhook's answer is not XML: {error}", 12100) from error
    if root.tag != "Response":
        raise CallRefused(f"the TwiML's outermost element is <{root.tag}>; it has to be <Response>", 12100)
    return root


def _check_track(track: str | None) -> None:
    if track not in {None, "inbound_track"}:
        raise CallRefused(f"<Connect><Stream> takes the track inbound_track only, not {track!r}", 31941)


def _checked_url(url: str | None) -> str:
    try:
        parts = urlsplit(url or "")
    except ValueError as error:
        raise CallRefused(f"the <Stream> url {url!r} is not a URL: {error}", 31922) from error
    if parts.scheme != "wss" or not parts.netloc:
        raise CallRefused(f"the <Stream> url is {url!r}; it has to begin with wss:// and name a host", 31922)
    return url or ""
