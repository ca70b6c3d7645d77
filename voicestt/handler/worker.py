"""The task on the handlers' loop that tells one call's handler its events."""

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.events import CallEnded, CallStarted, Event
from voicestt.handler.call import Call
from voicestt.handler.counts import Counts
from voicestt.handler.handled_call import WaitingEvents
from voicestt.handler.protocol import Methods
from voicestt.runtime.thread_pool import DaemonThreadPool

_OURS: Final = str(Path(__file__).parent)


Traced = Callable[[str, str], AbstractContextManager[object]]
"""Makes the context in which a method of a call's handler is called; given the CallSid and the method's name."""


def not_traced(_call_sid: str, _method: str) -> AbstractContextManager[object]:
    """Make a context that does nothing."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Busy:
    """The method that the application is busy with, and since when."""

    method: str
    since: float


class HandlerWorker:
    """Makes the handler and tells it `events` in order, one at a time; all in the loop's thread, except
    `give_up`.

    `busy` is what it waits for, None where that is the next event.
    """

    _log = Logger()

    def __init__(
        self,
        factory: Callable[[], object],
        methods: Methods,
        events: WaitingEvents,
        call: Call,
        threads: DaemonThreadPool,
        seconds: Callable[[], float],
        counts: Counts,
        traced: Traced = not_traced,
    ) -> None:
        self._factory = factory
        self._methods = methods
        self._events = events
        self._call = call
        self._threads = threads
        self._seconds = seconds
        self._counts = counts
        self._traced = traced
        self._something = asyncio.Event()
        self._in_thread: Future[Any] | None = None
        self._is_given_up = False
        self.busy: Busy | None = None

    async def run(self) -> None:
        """Run until the call's end was told, or no more events will come."""
        try:
            await self._tell_all()
        finally:
            self._events.forget()

    def wake(self) -> None:
        """Look at the queue again: there is an event, or none will come."""
        self._something.set()

    def give_up(self) -> int:
        """Tell nothing more; from the reactor's thread. The caller cancels the task as well.

        Returns the number of events that waited.
        """
        self._is_given_up = True
        in_thread = self._in_thread
        if in_thread is not None:
            self._threads.give_up(in_thread)
        return self._events.forget()

    async def _tell_all(self) -> None:
        handler = await self._make()
        if handler is None:
            return
        while not self._is_given_up and (event := await self._next()) is not None:
            if type(event) in self._methods:
                await self._tell(handler, event)
            if isinstance(event, CallEnded):
                return

    async def _next(self) -> Event | None:
        while (event := self._events.take()) is None:
            if self._events.is_closed:
                return None
            await self._something.wait()
            self._something.clear()
        return event

    async def _make(self) -> object | None:
        handler: list[object] = []
        await self._try(
            "the constructor",
            lambda: self._run_in_thread(lambda: handler.append(self._factory())),
            "The handler could not be made; the call goes on without one.",
        )
        return handler[0] if handler else None

    async def _tell(self, handler: object, event: Event) -> None:
        name = self._methods[type(event)]
        method = getattr(handler, name)
        arguments = (self._call,) if isinstance(event, CallStarted) else (self._call, event)
        await self._try(
            name,
            lambda: self._run(partial(method, *arguments), inspect.iscoroutinefunction(method)),
            "The handler failed in {method} at event {event_id}; the call goes on, and so does the handler.",
            event_id=event.id,
        )

    async def _try(self, name: str, action: Callable[[], Any], words: str, **fields: Any) -> None:
        self.busy = Busy(name, self._seconds())
        try:
            with self._traced(self._call.call_sid, name):
                await action()
        except BaseException as problem:  # no mistake in one call's handler may end the others
            if self._is_given_up:
                raise
            self._counts.failed += 1
            failure = Failure(problem, type(problem), _of_the_application(problem.__traceback__))
            self._log.failure(words, failure, method=name, log_system=self._call.call_sid, **fields)
        finally:
            self.busy = None

    async def _run(self, function: Callable[[], Any], is_async: bool) -> None:
        result = function() if is_async else await self._run_in_thread(function)
        if inspect.isawaitable(result):
            await result

    async def _run_in_thread(self, function: Callable[[], Any]) -> Any:
        self._in_thread = self._threads.run(partial(_caught, function))
        try:
            result, problem = await asyncio.wrap_future(self._in_thread)
        finally:
            self._in_thread = None
        if problem is not None:
            raise problem
        return result


def _caught(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    # As a value: a StopIteration cannot be an asyncio future's exception.
    try:
        return function(), None
    except BaseException as problem:  # noqa: BLE001 - it is raised where it is waited for
        return None, problem


def _of_the_application(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the application's first line on; all of it if there is no such line."""
    inner = trace
    while inner is not None and inner.tb_frame.f_code.co_filename.startswith(_OURS):
        inner = inner.tb_next
    return inner or trace
