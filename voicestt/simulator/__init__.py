"""A simulated Twilio caller: the signed webhook, the TwiML, and a recorded voice over a real WebSocket."""
