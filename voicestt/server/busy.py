"""A webhook's answer to a call that is not taken."""

from dataclasses import dataclass

from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]

from voicestt.config.readers import is_number, is_sip
from voicestt.config.settings import Settings
from voicestt.twilio import twiml
from voicestt.twilio.rest import dial


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """A webhook's answer: status, content type and body.

    `connects`: the call's audio comes here; `comes_back`: it is no new call.
    """

    code: int
    content_type: str
    body: bytes
    connects: bool = False
    comes_back: bool = False


UNAVAILABLE = CallAnswer(503, "text/plain; charset=utf-8", b"The server is busy: this call is not taken.\n")


def busy_answer(settings: Settings) -> CallAnswer:
    """Make the answer that BUSY asks for: 503, words that Twilio says, or a number that Twilio dials.

    At 503 Twilio asks what the number has as "Primary handler fails". Source: Twilio's "TwiML Voice: <Say>",
    "<Dial>".
    """
    busy = settings.busy
    if busy == str(UNAVAILABLE.code):
        return UNAVAILABLE
    if is_number(busy) or is_sip(busy):
        return CallAnswer(200, twiml.CONTENT_TYPE, dial(busy).encode())
    response = VoiceResponse()
    response.say(busy, language=settings.tts_language or settings.language)
    return CallAnswer(200, twiml.CONTENT_TYPE, str(response).encode())
