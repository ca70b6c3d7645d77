"""The state machine of one call; the table of its transitions is at the end of this file.

    waiting --start--> listening --stop, lost socket, shutdown--> draining --last final, or time is up--> ended

A message of the network's at a wrong moment (media before start, a second start, anything after stop) is counted
and ignored: it is never an error of the call. A mistake of this server's own raises Automat's NoTransition.

Audio itself does not pass through the machine: five thousand frames a second for a hundred calls would pay for
looking up the same transition each time. The machine sets where it goes, `CallParts.take`, when the state changes.
Partials, seven a second for each call that talks, go past it likewise, to `CallParts.show`; finals are inputs.
The work itself is `voicestt.call.active_call`'s.
"""

from dataclasses import dataclass
from typing import Protocol

from automat import TypeMachineBuilder

from voicestt.call.active_call import ActiveCall, CallParts
from voicestt.call.facts import CallDescription
from voicestt.call.hearing import HeardAudio
from voicestt.recognisers.port import Incident, RecogniserError, Result
from voicestt.runtime.clock import Timer


class CallInputs(Protocol):
    """The inputs of a call's state machine."""

    def started(self, call: CallDescription, /) -> None:
        """Start the call: Twilio's `start` came and is good, and audio follows."""

    def ignored(self, what: str, /) -> None:
        """Count a message that has no meaning to the call, under the name `what`."""

    def key_pressed(self, digit: str, /) -> None:
        """Report a key that the caller pressed."""

    def mark_reached(self, name: str, cleared: bool, /) -> None:
        """Report that a mark was reached: all audio before it was played, or was cleared."""

    def caller_heard(self, heard: HeardAudio, /) -> None:
        """Report what the caller heard of what was said."""

    def finish(self, reason: str, /) -> None:
        """End the audio: `stop`, a lost or silent socket, or the server's own end."""

    def heard(self, result: Result, /) -> None:
        """Take words from the recogniser."""

    def happened(self, incident: Incident, /) -> None:
        """Take an incident from the recogniser."""

    def recogniser_ended(self, error: RecogniserError | None, /) -> None:
        """End the recognition; it never ends before `finish`."""

    def time_is_up(self) -> None:
        """End the wait for the last final."""


class _Hearing:
    """Adapter of the machine's inputs to the recogniser's listener."""

    def __init__(self, inputs: CallInputs, parts: CallParts) -> None:
        self._inputs = inputs
        self._parts = parts

    def heard(self, result: Result) -> None:
        if result.is_final:
            self._inputs.heard(result)
        else:
            self._parts.show(result)

    def happened(self, incident: Incident) -> None:
        self._inputs.happened(incident)

    def ended(self, error: RecogniserError | None) -> None:
        self._inputs.recogniser_ended(error)


@dataclass(slots=True)
class Draining:
    """The wait for the last final, with a time limit."""

    active_call: ActiveCall
    limit: Timer


def _start_call(inputs: CallInputs, parts: CallParts, call: CallDescription) -> ActiveCall:
    return parts.begin(ActiveCall(_Hearing(inputs, parts), parts, call))


def _start_draining(inputs: CallInputs, parts: CallParts, reason: str) -> Draining:
    active_call = parts.active_call

    def give_up() -> None:
        active_call.give_up()  # before the input: the words that it tells are still heard
        inputs.time_is_up()

    draining = Draining(active_call, Timer(parts.clock))
    draining.limit.set(parts.drain_seconds, give_up)
    return draining


_builder = TypeMachineBuilder(CallInputs, CallParts)
_waiting = _builder.state("waiting")
_listening = _builder.state("listening", _start_call)
_draining = _builder.state("draining", _start_draining)
_ended = _builder.state("ended")

_waiting.upon(CallInputs.started).to(_listening).returns(None)


@_waiting.upon(CallInputs.finish).to(_ended)
def _never_began(_inputs: CallInputs, parts: CallParts, _reason: str) -> None:
    parts.over()


@_listening.upon(CallInputs.heard).loop()
def _hear(_inputs: CallInputs, _parts: CallParts, active_call: ActiveCall, result: Result) -> None:
    active_call.hear(result)


@_listening.upon(CallInputs.finish).to(_draining)
def _drain(_inputs: CallInputs, parts: CallParts, active_call: ActiveCall, reason: str) -> None:
    parts.take_no_more()
    active_call.finish(reason)


@_listening.upon(CallInputs.happened).loop()
def _pass_on(_inputs: CallInputs, _parts: CallParts, active_call: ActiveCall, incident: Incident) -> None:
    active_call.pass_on(incident)


@_listening.upon(CallInputs.key_pressed).loop()
def _press(_inputs: CallInputs, _parts: CallParts, active_call: ActiveCall, digit: str) -> None:
    active_call.press(digit)


@_listening.upon(CallInputs.mark_reached).loop()
def _reach(_inputs: CallInputs, _parts: CallParts, active_call: ActiveCall, name: str, cleared: bool) -> None:
    active_call.reach(name, cleared)


@_listening.upon(CallInputs.caller_heard).loop()
def _note_heard(_inputs: CallInputs, _parts: CallParts, active_call: ActiveCall, heard: HeardAudio) -> None:
    active_call.caller_heard(heard)


@_draining.upon(CallInputs.mark_reached).loop()
def _reach_the_last(_inputs: CallInputs, _parts: CallParts, draining: Draining, name: str, cleared: bool) -> None:
    draining.active_call.reach(name, cleared)


@_draining.upon(CallInputs.heard).loop()
def _hear_the_last(_inputs: CallInputs, _parts: CallParts, draining: Draining, result: Result) -> None:
    draining.active_call.hear(result)


@_draining.upon(CallInputs.happened).loop()
def _pass_on_the_last(_inputs: CallInputs, _parts: CallParts, draining: Draining, incident: Incident) -> None:
    draining.active_call.pass_on(incident)


@_draining.upon(CallInputs.recogniser_ended).to(_ended)
def _end_well(_inputs: CallInputs, parts: CallParts, draining: Draining, error: RecogniserError | None) -> None:
    draining.limit.cancel()
    if error is not None:
        draining.active_call.complain(str(error))
    _tell_the_end(parts, draining.active_call)


@_draining.upon(CallInputs.time_is_up).to(_ended)
def _end_late(_inputs: CallInputs, parts: CallParts, draining: Draining) -> None:
    draining.limit.cancel()
    draining.active_call.complain(f"no last final within {parts.drain_seconds:.3g} s of the call's end")
    _tell_the_end(parts, draining.active_call)


def _tell_the_end(parts: CallParts, active_call: ActiveCall) -> None:
    active_call.end()
    parts.show_no_more()
    parts.over()


def _count_start(_inputs: CallInputs, parts: CallParts, _call: CallDescription) -> None:
    parts.ignored["start out of turn"] += 1


def _count(_inputs: CallInputs, parts: CallParts, what: str) -> None:
    parts.ignored[what] += 1


def _count_key(_inputs: CallInputs, parts: CallParts, _digit: str) -> None:
    parts.ignored["key out of turn"] += 1


# Inputs that the network may give at any time, and those that may still be under way to a call that is over.
for _state in (_waiting, _ended):
    _state.upon(CallInputs.ignored).loop()(_count)
    _state.upon(CallInputs.key_pressed).loop()(_count_key)
    _state.upon(CallInputs.mark_reached).loop().returns(None)
    _state.upon(CallInputs.caller_heard).loop().returns(None)
for _data_state in (_listening, _draining):
    _data_state.upon(CallInputs.ignored, nodata=True).loop()(_count)
    _data_state.upon(CallInputs.started, nodata=True).loop()(_count_start)
_draining.upon(CallInputs.key_pressed, nodata=True).loop()(_count_key)
_draining.upon(CallInputs.caller_heard, nodata=True).loop().returns(None)  # the line was closed before
_ended.upon(CallInputs.started).loop()(_count_start)
_ended.upon(CallInputs.heard).loop().returns(None)
_ended.upon(CallInputs.happened).loop().returns(None)
_draining.upon(CallInputs.finish, nodata=True).loop().returns(None)
_ended.upon(CallInputs.finish).loop().returns(None)
_ended.upon(CallInputs.recogniser_ended).loop().returns(None)
_ended.upon(CallInputs.time_is_up).loop().returns(None)

new_call = _builder.build()
"""Makes a call, in the state `waiting`, of its `CallParts`."""
