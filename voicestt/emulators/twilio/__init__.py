"""Twilio's caller without a telephone: places calls to any server by URL, as Twilio does.

`clip` reads a recording, `caller` places the call, `command` is `voicestt call`; what the messages look like
is in the pure modules beside them (`twilio_messages`, `twiml`, `webhook_forms`, `signatures`, `playback`).
"""
