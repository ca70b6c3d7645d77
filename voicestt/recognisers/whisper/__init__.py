"""Whisper behind Google: of this machine, or by HTTP."""
