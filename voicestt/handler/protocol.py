"""The protocol of an application's handler: a class whose methods are told of one call's events.

    class Hello:
        async def on_call_started(self, call: Call) -> None:
            call.say_text("Hello")

    twistd --nodaemon --pidfile= voicestt --handler my_application.calls:Hello

1. One instance for each call, made in a thread and without arguments: what a call must remember lives in `self`.
2. All methods may be left out; what nobody is told costs nothing. Each is a plain function or an `async def`.
   `async def` runs on one event loop for all calls: what blocks there blocks every call's handler (the log says
   where). Plain functions run in threads (HANDLER_THREADS at once): they may block.
3. A call's methods are never called at the same time, and in the order in which things happened. So who waits in
   one of them is told nothing meanwhile: to be interrupted by the caller, do not await what is being played, or
   await it in a task of your own (`asyncio.create_task`).
4. Whatever a handler does, the call's audio and words go on. While it is busy at most HANDLER_QUEUE events of the
   call wait: of partials only the newest, and a final takes the partials of its utterance away. Beyond that,
   HANDLER_OVERFLOW says what happens; a final, the start and the end of a call are never dropped.
5. What a method raises is logged with its traceback, and ends nothing; the next event is told. A handler whose
   constructor raises is not told anything, and the call goes on without one.
6. `on_call_ended` is the last. A method that has not returned a minute after the call's end is given up.
7. Events are those of `voicestt.events`; `call` is a `voicestt.handler.Call`.
8. Tests play calls to it with `voicestt.handler.testing`.
"""

from collections.abc import Awaitable, Mapping
from typing import Protocol

from voicestt import events
from voicestt.handler.call import Call

Told = Awaitable[None] | None
"""What a handler's method returns: nothing, now (a plain function) or when awaited (`async def`)."""


class Unhandled:
    """The handler of a call that has none: it has no methods."""


class Handler(Protocol):
    """All methods that a handler can have. Subclassing it helps type checkers, and is not required."""

    def on_call_started(self, call: Call) -> Told:
        """Handle the call's start: the caller's audio begins; `call` has the ids and numbers.

        With `call.continues` the call goes on from another process; `call.memory` is what its handler set there.
        """
        return None

    def on_partial(self, call: Call, event: events.Partial) -> Told:
        """Handle a partial: words that the caller seems to be saying, while they are said."""
        return None

    def on_final(self, call: Call, event: events.Final) -> Told:
        """Handle a final: words that the caller said. A turn can have several of them."""
        return None

    def on_utterance_end(self, call: Call, event: events.UtteranceEnd) -> Told:
        """Handle the end of the caller's turn, after UTTERANCE_END_MS of silence: it is your turn."""
        return None

    def on_dtmf(self, call: Call, event: events.Dtmf) -> Told:
        """Handle a key that the caller pressed."""
        return None

    def on_mark(self, call: Call, event: events.Mark) -> Told:
        """Handle a mark: everything said before `call.mark(name)` was played, or cleared."""
        return None

    def on_said(self, call: Call, event: events.Said) -> Told:
        """Handle the end of something that was said to the caller: heard to its end, or cut."""
        return None

    def on_incident(self, call: Call, event: events.CallIncident) -> Told:
        """Handle an incident in the recognition that costs no words, such as a stream that was replaced."""
        return None

    def on_degraded(self, call: Call, event: events.Degraded) -> Told:
        """Handle the loss of streaming: no partials from here on; finals go on."""
        return None

    def on_recovered(self, call: Call, event: events.Recovered) -> Told:
        """Handle the return of streaming: partials come again."""
        return None

    def on_interrupted(self, call: Call, event: events.Interrupted) -> Told:
        """Handle an outage of recognition: no words for now; the caller's audio is kept."""
        return None

    def on_resumed(self, call: Call, event: events.Resumed) -> Told:
        """Handle the end of an outage: partials come again, and the finals of the audio that was kept."""
        return None

    def on_unrecognised(self, call: Call, event: events.Unrecognised) -> Told:
        """Handle the loss of some audio's words: perhaps ask the caller to repeat them."""
        return None

    def on_call_ended(self, call: Call, event: events.CallEnded) -> Told:
        """Handle the call's end, after its last word was told."""
        return None


METHODS = {kind: f"on_{name}" for name, kind in events.TYPES.items()}
"""The name of the method that is told of each type of event."""


Methods = Mapping[type[events.Event], str]
"""The types of events that a handler's class is told of, and the methods that are told."""


def methods_of(handler: type) -> Methods:
    """Map each type of event that a handler's class wants to the name of its method."""
    return {kind: name for kind, name in METHODS.items() if _is_its_own(handler, name)}


def _is_its_own(handler: type, name: str) -> bool:
    found = getattr(handler, name, None)
    return found is not None and found is not getattr(Handler, name)
