"""Text to speech: a port, and the engines behind it."""
