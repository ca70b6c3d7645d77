"""The handlers of all calls of this process: their loop, their threads, and their end."""

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.logger import Logger

from voicestt.call.line import Line
from voicestt.events import CallStarted
from voicestt.handler.call import Call, Snapshot
from voicestt.handler.counts import Counts
from voicestt.handler.handled_call import HandledCall, WaitingEvents
from voicestt.handler.leaving import CallHandover, CallRestControl
from voicestt.handler.loading import BadHandler, load_handler, misspelt
from voicestt.handler.memory import CallMemory
from voicestt.handler.protocol import METHODS, Unhandled, methods_of
from voicestt.handler.speaking import Speak, Speaking
from voicestt.handler.stalls import LoopWatchdog
from voicestt.handler.worker import HandlerWorker, Traced, not_traced
from voicestt.runtime.clock import Timer
from voicestt.runtime.loop_thread import CANCELLED_SECONDS, LoopThread
from voicestt.runtime.reactor import ReactorLike
from voicestt.runtime.thread_pool import DaemonThreadPool

LOOK_SECONDS: Final = 1.0
SPEAKERS: Final = 4
ASKERS: Final = 4
_COMPLAINT: Final = "In a task of a handler's own: {message}. The calls go on."


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits in seconds: for one method after its call's end (`stuck`), and for all handlers together
    when the server stops (`stop`)."""

    stuck: float = 60.0
    stop: float = 5.0


@dataclass(frozen=True, slots=True)
class HandlerParts:
    """The factories of what handlers run on and are given; `voicestt.handler.testing` passes its own."""

    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    threads: Callable[[int, str], DaemonThreadPool] = DaemonThreadPool
    call: Callable[[CallStarted, Speaking, CallHandover, Snapshot, CallMemory], Call] = Call


@dataclass(slots=True, eq=False)
class _Live:
    call_sid: str
    handled: HandledCall
    worker: HandlerWorker
    task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Cancel the task; in the loop's thread."""
        if self.task is not None:
            self.task.cancel()


class Handlers:
    """Makes a handler of `factory` for each call, and tells it the call's events; in the reactor's thread.

    `queue`, `overflow` and `threads` are HANDLER_QUEUE, HANDLER_OVERFLOW and HANDLER_THREADS. `speak` gives a
    text's audio as mu-law, blocks, and raises SpeechError; with None nobody can speak. Without `twilio` calls are
    not handed on, and are hung up by closing their streams.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: ReactorLike,
        factory: type,
        *,
        queue: int,
        overflow: str,
        threads: int,
        speak: Callable[[str], bytes] | None = None,
        twilio: CallRestControl | None = None,
        patience: Patience = Patience(),
        parts: HandlerParts = HandlerParts(),
        traced: Traced = not_traced,
    ) -> None:
        self._reactor = reactor
        self._factory = factory
        self._queue = queue
        self._overflow = overflow
        self._twilio = twilio
        self._patience = patience
        self._parts = parts
        self._traced = traced
        self._plain = parts.threads(threads, "handler")
        self._speakers = parts.threads(SPEAKERS, "speech")
        self._askers = parts.threads(ASKERS, "twilio")
        self._speak = None if speak is None else _in_pool(speak, self._speakers)
        self._counts = Counts()
        self._loop = LoopThread(reactor, "handlers", _COMPLAINT, parts.loop)
        self._stalls = LoopWatchdog(reactor, self._loop, _file_of(factory), self._counts)
        self._timer = Timer(reactor)
        self._live: set[_Live] = set()
        self._idle: Deferred[None] | None = None
        self._is_stopping = False

    @property
    def counts(self) -> Counts:
        """The present counters."""
        waiting = sum(live.handled.waiting for live in self._live)
        return replace(self._counts, calls=len(self._live), waiting=waiting)

    def start(self) -> None:
        """Start the loop's thread; the other threads start when they are needed."""
        self._loop.start()
        self._timer.set(LOOK_SECONDS, self._look)
        if self._twilio is not None:
            self._askers.run(self._twilio.prepare)
        self._announce()

    async def stop(self, seconds: float | None = None) -> None:
        """Tell the events that wait, within `seconds` or `Patience.stop`, then end the threads.

        The calls should be over.
        """
        self._is_stopping = True
        if seconds is not None:
            self._patience = replace(self._patience, stop=min(seconds, self._patience.stop))
        self._timer.cancel()
        for live in self._live:
            live.handled.close()
        await self._all_told()
        self._give_up_all()
        if not await self._within(2 * CANCELLED_SECONDS, self._loop.stop()):
            self._log.warn("⚠️ A handler blocks its thread, which is left behind.")
        for pool in (self._plain, self._speakers, self._askers):
            pool.stop()

    def begin(
        self,
        event: CallStarted,
        line: Line,
        memory: str | None = None,
        keep: Callable[[str], object] = lambda _memory: None,
        handler: str | None = None,
    ) -> HandledCall:
        """Make a handler for the call that has just begun on `line`, and tell it `event`.

        `memory` is what the handler of the call's former stream left, as JSON; `keep` takes what this one leaves.
        `handler` is the class of the called number, as `package.module:Name`, None for that of all calls.
        """
        cross = self._reactor.callFromThread
        factory = self._factory if handler is None else self._of_number(handler)
        live = self._new(factory, event, line, CallMemory(memory, lambda text: cross(partial(keep, text))))
        if self._is_stopping:
            live.handled.close()
            return live.handled
        self._live.add(live)
        self._loop.do(partial(self._run, live))
        live.handled.tell(event)
        return live.handled

    def _of_number(self, handler: str) -> type:
        """Return a number's own class, which was imported when the file of numbers was read."""
        try:
            return load_handler(handler)
        except BadHandler as problem:
            self._log.error(
                "A number's handler cannot be used, and that of all calls is: {problem}.", problem=problem
            )
            return self._factory

    def _new(self, factory: type, event: CallStarted, line: Line, memory: CallMemory) -> _Live:
        cross = self._reactor.callFromThread
        seconds = self._reactor.seconds
        events, seen = WaitingEvents(self._queue), Snapshot()
        speaking = Speaking(line, event.call_sid, seconds, cross, self._speak)
        leaving = CallHandover(event, line, self._twilio, self._askers, cross)
        call = self._parts.call(event, speaking, leaving, seen, memory)
        methods = methods_of(factory)
        worker = HandlerWorker(factory, methods, events, call, self._plain, seconds, self._counts, self._traced)
        handled = HandledCall(
            event.call_sid,
            line,
            speaking,
            events,
            methods,
            self._overflow,
            self._counts,
            seen,
            seconds,
            partial(self._loop.do, worker.wake),
        )
        return _Live(event.call_sid, handled, worker)

    def _run(self, live: _Live) -> None:
        """Start the worker's task; in the loop's thread."""
        live.task = self._loop.spawn(live.worker.run(), live.call_sid)
        live.task.add_done_callback(lambda _: self._reactor.callFromThread(self._ended, live))

    def _ended(self, live: _Live) -> None:
        self._live.discard(live)
        if not self._live and self._idle is not None:
            idle, self._idle = self._idle, None
            idle.callback(None)

    def _look(self) -> None:
        self._timer.set(LOOK_SECONDS, self._look)
        self._stalls.look()
        now = self._reactor.seconds()
        for live in [live for live in self._live if self._is_stuck(live, now)]:
            self._counts.stuck += 1
            self._log.warn(
                "⚠️ The handler has not returned from {method} for {seconds:g} s after the call's end. It is given "
                "up, and {waiting} events are not told. What to do: give what it waits for a time limit.",
                method=live.worker.busy.method if live.worker.busy else "the loop",
                seconds=self._patience.stuck,
                waiting=self._give_up(live),
                log_system=live.call_sid,
            )

    def _is_stuck(self, live: _Live, now: float) -> bool:
        over, busy = live.handled.over_since, live.worker.busy
        if over is None or (busy is None and not self._stalls.is_stalled):
            return False
        return now - max(over, busy.since if busy else over) >= self._patience.stuck

    def _give_up(self, live: _Live) -> int:
        self._ended(live)
        self._loop.do(live.cancel)
        return live.worker.give_up()

    async def _all_told(self) -> None:
        if self._live:
            self._idle = Deferred()
            await self._within(self._patience.stop, self._idle)

    def _give_up_all(self) -> None:
        if not self._live:
            return
        calls = len(self._live)
        self._log.warn(
            "⚠️ The handlers of {calls} calls did not return within {seconds:g} s of the server's stop; {waiting} "
            "events that wait are not told to them.",
            calls=calls,
            seconds=self._patience.stop,
            waiting=sum([self._give_up(live) for live in list(self._live)]),
        )

    async def _within(self, seconds: float, done: "Deferred[None]") -> bool:
        try:
            await done.addTimeout(seconds, self._reactor)
        except TookTooLong:
            return False
        return True

    def _announce(self) -> None:
        if self._factory is Unhandled:
            self._log.info("[CFG] Calls have the handlers of NUMBERS_FILE, and the others none.")
            return
        self._log.info(
            "[CFG] The handler of each call is a {name}; it has {methods}.",
            name=self._factory.__qualname__,
            methods=", ".join(methods_of(self._factory).values()),
        )
        for name in misspelt(self._factory):
            self._log.warn(
                "⚠️ The handler's {name} is never called: there is no such event. There are: {known}.",
                name=name,
                known=", ".join(METHODS.values()),
            )


def _in_pool(speak: Callable[[str], bytes], threads: DaemonThreadPool) -> Speak:
    def begin(text: str) -> "Future[bytes]":
        return threads.run(partial(speak, text))

    return begin


def _file_of(factory: type) -> str:
    try:
        return inspect.getfile(factory)
    except (TypeError, OSError):
        return ""
