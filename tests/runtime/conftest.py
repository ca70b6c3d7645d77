from tests.handler.conftest import diary
from tests.recognisers.conftest import sessions, start_sessions

__all__ = ["diary", "sessions", "start_sessions"]  # fixtures
