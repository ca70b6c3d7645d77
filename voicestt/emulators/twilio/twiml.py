"""Parses a webhook's TwiML as Twilio does, and refuses invalid TwiML with Twilio's error number."""

import xml.etree.ElementTree as ET  # what is read is one's own server's answer, and DTDs are refused first
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from voicestt.emulators.twilio.problems import CallRefused

_XML_TYPES = {"text/xml", "application/xml"}


@dataclass(frozen=True, slots=True)
class StreamNoun:
    """A `<Connect><Stream>`: the URLs for audio and status, exactly as written, and its parameters."""

    url: str
    status_callback: str | None = None
    name: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_twiml(content_type: str | None, body: bytes) -> StreamNoun:
    """Reads the stream that the answer asks for; raises `CallRefused`."""
    _check_content_type(content_type)
    stream = _document(body).find("Connect/Stream")
    if stream is None:
        raise CallRefused("the TwiML has no <Connect><Stream>: the caller would hear nothing and be hung up on")
    _check_track(stream.get("track"))
    return StreamNoun(
        url=_checked_url(stream.get("url")),
        status_callback=stream.get("statusCallback"),
        name=stream.get("name"),
        parameters={item.get("name", ""): item.get("value", "") for item in stream.iter("Parameter")},
    )


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
