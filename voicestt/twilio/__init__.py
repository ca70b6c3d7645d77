"""Everything that speaks Twilio: messages of Media Streams, TwiML, signatures, the REST API."""
