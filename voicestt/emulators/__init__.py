"""Emulators of the two cloud services: Google Speech-to-Text and Twilio."""
