from tests.handler.conftest import diary, rig_of, twilio_api

__all__ = ["diary", "rig_of", "twilio_api"]
