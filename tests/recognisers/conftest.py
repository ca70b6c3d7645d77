from collections.abc import Callable, Iterator

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred

from tests.recognisers.on_reactor import Sessions


@pytest.fixture
def start_sessions() -> Iterator[Callable[[int], Sessions]]:
    """Starts so many session threads; they are stopped after the test in any case."""
    started: list[Sessions] = []

    def start(count: int) -> Sessions:
        started.append(Sessions(count))
        return started[-1]

    yield start
    for sessions in started:
        pytest_twisted.blockon(Deferred.fromCoroutine(sessions.stop()))


@pytest.fixture
def sessions(start_sessions: Callable[[int], Sessions]) -> Sessions:
    """One session thread."""
    return start_sessions(1)
