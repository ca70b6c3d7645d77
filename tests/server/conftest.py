import pytest
import txaio
from twisted.internet.task import Clock

from tests.recognisers.conftest import sessions, start_sessions
from tests.server.in_memory import Server

__all__ = ["sessions", "start_sessions"]  # fixtures


@pytest.fixture
def autobahn_clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Autobahn takes its time from here, and not from its factory's reactor."""
    monkeypatch.setattr(txaio.config, "loop", clock)  # type: ignore[attr-defined]
    return clock


@pytest.fixture
def server(autobahn_clock: Clock) -> Server:
    return Server(autobahn_clock)
