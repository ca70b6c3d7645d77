"""The API for applications that run in this process: their handler, and its control of a call.

An application needs no more than these names: `Handler` is the protocol of its class, `Call` the live call.
"""

from voicestt.audio.transcode import BadSound
from voicestt.call.line import TooMuchAudio
from voicestt.handler.call import Call
from voicestt.handler.outcome import Outcome
from voicestt.handler.protocol import Handler
from voicestt.tts.port import SpeechError
from voicestt.twilio.rest import BadNumber, TwilioRefused

__all__ = ["BadNumber", "BadSound", "Call", "Handler", "Outcome", "SpeechError", "TooMuchAudio", "TwilioRefused"]
