"""Whisper behind Google: on this machine, or by HTTP."""
