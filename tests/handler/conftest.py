from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred

from tests.handler.fakes import Diary, Rig
from tests.handler.twilio_api import TwilioApi

RigOf = Callable[..., Rig]


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def rig_of(diary: Diary) -> Iterator[RigOf]:
    """Makes a Rig; those that a test makes are stopped behind it."""
    made: list[Rig] = []

    def make(factory: type, **options: Any) -> Rig:
        made.append(Rig(factory, diary, **options))
        return made[-1]

    yield make

    async def stop_all() -> None:
        for rig in made:
            await rig.stop()

    pytest_twisted.blockon(Deferred.fromCoroutine(stop_all()))


@pytest.fixture
def twilio_api() -> Iterator[TwilioApi]:
    """A server on this machine that speaks as Twilio's REST API does."""
    api = TwilioApi()
    api.start()
    yield api
    api.stop()
