"""Live phone calls to words: Twilio Media Streams in, Google Speech-to-Text partials and finals out."""

__version__ = "0.1.0"
