from tests.handler.conftest import twilio_api

__all__ = ["twilio_api"]  # fixtures
