"""Stand-ins for the two services: Google Speech-to-Text, and Twilio."""
