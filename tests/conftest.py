"""Fixtures of all tests: nothing goes wrong unseen, and the parts of a call without a socket or a thread."""

import gc
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import coverage
import hypothesis
import pytest
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]
from zope.interface import implementer

from tests.recognisers.fakes import Ear, ScriptedRecogniser
from tests.server.fakes import Collected

_IN_REAL_TIME, _IN_THE_BROWSER = "tests/end_to_end/", "tests/page/browser/"

hypothesis.settings.register_profile("voicestt", deadline=None, print_blob=True)
hypothesis.settings.load_profile("voicestt")


class _FourProcesses(LoadScopeScheduling):  # type: ignore[misc]
    """With `-n 4`: what runs in real time, and mostly waits, goes one by one in each of two processes.

    What runs in the browser is one piece of work, and the rest is so file by file, in the order of collection.
    """

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith(_IN_REAL_TIME):
            return f"in real time, {crc32(file.encode()) % 2}"
        return "in the browser" if file.startswith(_IN_THE_BROWSER) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _FourProcesses(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def later(item: pytest.Item) -> tuple[bool, bool]:
        return not item.nodeid.startswith(_IN_REAL_TIME), not item.nodeid.startswith(_IN_THE_BROWSER)

    items.sort(key=later)  # what takes longest begins first


def pytest_collection_finish() -> None:
    # What is imported by now stays: looking through it again after each test would be most of the suite's time.
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    # A process of xdist's that takes its time to end is killed, and what it measured would be lost.
    measuring = coverage.Coverage.current()
    if measuring is not None:
        measuring.save()


@implementer(ILogObserver)
class Logged:
    """Everything that Twisted's log was given during a test."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def __call__(self, event: Any) -> None:
        self.events.append(event)

    @property
    def lines(self) -> list[str]:
        """The messages, without time and system."""
        return [formatEvent(event) for event in self.events]

    def matching(self, words: str) -> list[str]:
        """The messages that hold `words`."""
        return [line for line in self.lines if words in line]

    @property
    def failures(self) -> list[Failure]:
        """Exceptions that were logged, those in Deferreds that nobody looked at among them."""
        return [failure for event in self.events if (failure := _failure_in(event)) is not None]

    def flush(self, *kinds: type[BaseException]) -> list[Failure]:
        """The failures of these kinds, which the test asked for; they are taken out of the log."""
        gc.collect()
        asked = [failure for failure in self.failures if failure.check(*kinds)]
        self.events = [event for event in self.events if _failure_in(event) not in asked]
        return asked

    def flush_critical(self) -> list[str]:
        """The messages at the critical level, which the test asked for; they are taken out of the log."""
        critical = [event for event in self.events if event.get("log_level") is LogLevel.critical]
        self.events = [event for event in self.events if event.get("log_level") is not LogLevel.critical]
        return [formatEvent(event) for event in critical]


def _failure_in(event: Any) -> Failure | None:
    failure: Failure | None = event.get("log_failure") or event.get("failure")  # the latter from Twisted's old log
    return failure


@pytest.fixture(autouse=True)
def logged() -> Iterator[Logged]:
    """The log; a failure or a critical event that the test did not flush fails it."""
    log = Logged()
    globalLogPublisher.addObserver(log)
    try:
        yield log
        gc.collect()  # a Deferred tells of an error that nobody handled when it is collected
    finally:
        globalLogPublisher.removeObserver(log)
    # What outlives a test (caches, imports) is no later test's: looking through it after each of them took more
    # than half of the suite's time.
    gc.freeze()
    problems = [failure.getTraceback() for failure in log.failures]
    problems += log.flush_critical()
    assert not problems, "logged and not asked for:\n" + "\n".join(problems)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def observer() -> Collected:
    return Collected()


@pytest.fixture
def recogniser() -> ScriptedRecogniser:
    return ScriptedRecogniser()


@pytest.fixture
def ear() -> Ear:
    return Ear()
