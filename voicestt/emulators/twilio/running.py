"""Runs a coroutine that needs a reactor from the command line; the reactor lives as long as it does."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from voicestt.runtime.clock import use_monotonic_time
from voicestt.runtime.reactor import FullReactor

_T = TypeVar("_T")


def run_with_reactor(main: Callable[[Any], Coroutine[Any, Any, _T]]) -> _T:
    """Return or raise as `main(reactor)` does; `KeyboardInterrupt` when a signal stopped the reactor before."""
    results: list[_T] = []
    errors: list[Exception] = []

    async def note(reactor: FullReactor) -> None:
        use_monotonic_time(reactor)
        try:
            results.append(await main(reactor))
        except Exception as error:  # noqa: BLE001 (raised again, outside the reactor)
            errors.append(error)

    with suppress(SystemExit):
        react(lambda reactor: Deferred.fromCoroutine(note(reactor)))
    if errors:
        raise errors[0]
    if not results:
        raise KeyboardInterrupt
    return results[0]
