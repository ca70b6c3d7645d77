"""Simulated calls for tests of handlers: without sockets or waiting, on the server's own machinery.

    from voicestt.handler.testing import simulated_call

    def test_it_repeats_what_the_caller_says():
        with simulated_call(Echo) as call:
            call.caller_says("hello")
            assert call.said == ["hello"]

1. A `SimulatedCall` is told what happens: `partial`, `final`, `utterance_end`, `dtmf`, … `end`. Each returns when
   the handler has come to rest, whether its methods are plain functions or `async def`.
2. `actions` has the handler's requests to its call, in order; `said` are the texts, `audio` the mu-law of `say`,
   and `heard` is the audio that the caller heard.
3. Time passes only in `advance` and `listen`: for playing audio, marks, `asyncio.sleep`, timeouts and
   `Outcome.result(seconds)`. `time.sleep` and `time.time` are the machine's.
4. An exception of the handler is raised in the test as `HandlerFailed`, with its traceback; a handler that never
   returns raises `HandlerHangs`. At the end of the `with` the call is ended, and the handler must return.
5. `SimulatedServer` is for several calls at once, which share a loop as they do in the server.

It needs no pytest, no plugin and no reactor; it is for use in one thread.
"""

from voicestt.handler.testing.ear import Heard
from voicestt.handler.testing.problems import CallIsOver, HandlerFailed, HandlerHangs
from voicestt.handler.testing.simulated_call import Action, SimulatedCall
from voicestt.handler.testing.simulated_server import SimulatedServer, pretend_to_speak, simulated_call

__all__ = [
    "Action",
    "CallIsOver",
    "HandlerFailed",
    "HandlerHangs",
    "Heard",
    "SimulatedCall",
    "SimulatedServer",
    "pretend_to_speak",
    "simulated_call",
]
