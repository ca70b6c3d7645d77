"""A telephone call without a telephone: what Twilio does when somebody rings, said to any server by URL.

`clip` reads a recording, `caller` places the call, `command` is `voicestt call`; what the messages look like
is in the pure modules beside them (`twilio_messages`, `twiml`, `webhook_forms`, `signatures`, `playback`).
"""
