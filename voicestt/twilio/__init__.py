"""Twilio's protocols: messages of Media Streams, TwiML, signatures, the REST API."""
