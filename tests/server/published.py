"""An observer whose facts reach a file as events, without a journal."""

from collections.abc import Collection
from typing import Any

from tests.handler.test_publishing import NoLine
from voicestt.call.facts import CallObserver
from voicestt.handler.publishing import Publishing
from voicestt.server.events_file import EventsFile


class _Forgets:
    """A journal that keeps nothing."""

    def put(self, event: Any, fact: object) -> None:
        """Keep nothing."""

    def remember(self, session: str, memory: str) -> None:
        """Keep nothing."""

    def address(self, session: str, receivers: Collection[str]) -> None:
        """Keep nothing."""


def publisher(file: EventsFile) -> CallObserver:
    """The observer of a call whose events `file` gets."""
    return Publishing(_Forgets(), file=file).of_call(NoLine())
