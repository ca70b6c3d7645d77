"""A call that a test plays to a handler: events go in, the handler's speech and actions come out."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from voicestt import events
from voicestt.audio import mulaw
from voicestt.audio.transcode import Kind
from voicestt.call.hearing import HeardAudio
from voicestt.call.line import MOST_WAITING_SECONDS, Line
from voicestt.handler.call import Call, Snapshot, telephone_audio
from voicestt.handler.handled_call import HandledCall
from voicestt.handler.leaving import CallHandover, HungUp
from voicestt.handler.memory import CallMemory
from voicestt.handler.outcome import Outcome
from voicestt.handler.speaking import Played, Said, Speaking
from voicestt.handler.testing.ear import EarLine, Heard
from voicestt.handler.testing.problems import CallIsOver
from voicestt.handler.testing.scripted_events import ScriptedEvents
from voicestt.handler.testing.stage import Stage

KEYS = frozenset("0123456789*#ABCD")

Action = (
    tuple[Literal["say"], float]
    | tuple[Literal["say_text", "mark", "transfer"], str]
    | tuple[Literal["clear", "hang_up"]]
    | tuple[Literal["recognise"], dict[str, Any]]
)
"""What a handler asked of its call: the method's name, and the seconds of the audio, the text, the mark's name,
the number or the options."""


class SimulatedCall:
    """One call, from a test's side. Made by `simulated_call` or `SimulatedServer.call`.

    Methods that tell the handler something return when it has come to rest: when it waits for the next event, for
    time to pass, or for what is being played. They raise the handler's exceptions as `HandlerFailed`. Time
    passes only in `advance` and `listen`.
    """

    def __init__(
        self,
        stage: Stage,
        script: ScriptedEvents,
        started: events.CallStarted,
        begin: Callable[[events.CallStarted, Line, str | None, Callable[[str], object]], HandledCall],
        greeting: bytes = b"",
        memory: Any = None,
        utterances: int = 0,
    ) -> None:
        self._memory = None if memory is None else msgspec.json.encode(memory).decode()
        self._stage = stage
        self._script = script
        self._utterance = utterances + 1
        self._reason: str | None = None
        self._began = stage.reactor.seconds()
        self._line = EarLine(stage.reactor.clock, self._mark_reached, self._close_stream, self._heard)
        self._line.say(greeting)
        self._handled: HandledCall | None = None
        self._begin = begin
        self._started = started
        self.actions: list[Action] = []
        self.audio: list[bytes] = []
        self.twilio_refuses: str | None = None
        self.ended: events.CallEnded | None = None

    # -- what came of it

    @property
    def call_sid(self) -> str:
        """Twilio's id of the call."""
        return self._script.call_sid

    @property
    def memory(self) -> Any:
        """The value that the handler gave `call.memory`, or the one that the call began with."""
        return None if self._memory is None else msgspec.json.decode(self._memory)

    @property
    def said(self) -> list[str]:
        """The texts that were asked for by `say_text`, in order, heard or not."""
        return [action[1] for action in self.actions if action[0] == "say_text"]

    @property
    def heard(self) -> list[Heard]:
        """The audio that the caller has heard by now, in order; without what was cleared before it was played."""
        return self._line.heard

    @property
    def is_over(self) -> bool:
        """True if the call has ended: by `end`, or because the handler hung up or transferred it."""
        return self.ended is not None

    # -- what happens in it

    def partial(self, text: str, stability: float = 0.0) -> None:
        """Play a partial: the caller seems to be saying `text`."""
        self.send(events.Partial, utterance=self._utterance, text=text, stability=stability)

    def final(self, text: str, **fields: Any) -> None:
        """Play a final: the caller said `text`. `fields` are more of `voicestt.events.Final`: `confidence` etc."""
        utterance, self._utterance = self._utterance, self._utterance + 1
        self.send(events.Final, utterance=utterance, text=text, **fields)

    def utterance_end(self, silence: float = 0.7) -> None:
        """Play the end of the caller's turn, `silence` seconds after the last word."""
        end = max(0.0, self._stage.reactor.seconds() - self._began - silence)
        self.send(events.UtteranceEnd, utterance=max(1, self._utterance - 1), end=end, silence=silence)

    def caller_says(self, text: str) -> None:
        """Play a whole turn: a partial, the final and the utterance's end."""
        self.partial(text)
        self.final(text)
        self.utterance_end()

    def dtmf(self, keys: str) -> None:
        """Press keys, one after the other."""
        if not keys or not KEYS.issuperset(keys):
            raise ValueError(f"{keys!r} are not keys of a telephone, which has 0 to 9, *, #, and A to D")
        for key in keys:
            self.send(events.Dtmf, digit=key)

    def degraded(self, why: str = "the stream failed", seconds: float = 0.0) -> None:
        """Play the loss of streaming: no partials from here on."""
        self.send(events.Degraded, why=why, seconds=seconds)

    def recovered(self, why: str = "streamed again") -> None:
        """Play the return of streaming: partials come again."""
        self.send(events.Recovered, why=why)

    def interrupted(self, why: str = "the recogniser is away", seconds: float = 0.0) -> None:
        """Play an outage of recognition: no words for now."""
        self.send(events.Interrupted, why=why, seconds=seconds)

    def resumed(self, why: str = "the recogniser is back") -> None:
        """Play the end of an outage: words come again."""
        self.send(events.Resumed, why=why)

    def unrecognised(self, why: str = "nobody could recognise it", seconds: float = 0.0) -> None:
        """Play the loss of some audio's words."""
        self.send(events.Unrecognised, why=why, seconds=seconds)

    def incident(self, kind: str = "rotated", why: str = "before its limit", **fields: Any) -> None:
        """Play an incident that costs no words; `fields` are more of `voicestt.events.CallIncident`."""
        self.send(events.CallIncident, incident=kind, why=why, **fields)

    def send(self, kind: type[events.Event], /, **fields: Any) -> None:
        """Play an event of any type, with its own fields.

        Raises:
            CallIsOver: if the call has ended.
        """
        if self.is_over:
            raise CallIsOver(f"{kind.__name__} cannot be told: the call has ended ({self._reason})")
        self._tell(self._script.make(kind, **fields))
        self._stage.settle()

    def end(self, reason: str = "stop") -> None:
        """Hang up as the caller; without effect if the call is over."""
        if not self.is_over:
            self._close_stream(reason)
            self._stage.settle()

    # -- time

    def advance(self, seconds: float) -> None:
        """Let `seconds` of the test's time pass: audio is played, marks are reached, handlers' timers are due."""
        self._stage.advance(seconds)

    def listen(self) -> None:
        """Let time pass, ten minutes at most, until all audio is played and all marks are reached."""
        self._stage.advance(MOST_WAITING_SECONDS + 1, to=lambda: self._line.is_silent)
        if not self._line.is_silent:
            raise AssertionError("after ten minutes there is still something to hear, or a mark: use advance()")

    def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait in real time for something from outside: a connection of the handler's, its own thread."""
        self._stage.until(condition, seconds)

    # -- the server's side

    def begin(self) -> None:
        """Start the call; once."""
        self._handled = self._begin(self._started, self._line, self._memory, self._keep)
        self._stage.settle()

    def call_for_handler(
        self,
        started: events.CallStarted,
        speaking: Speaking,
        leaving: CallHandover,
        seen: Snapshot,
        memory: CallMemory,
    ) -> Call:
        """Make the handler's `Call`, which records what it is asked for."""
        return _RecordedCall(started, speaking, leaving, seen, memory, self)

    def leave(self, reason: str) -> None:
        """Close the stream, as Twilio does when it ends or transfers the call; from any thread."""
        self._stage.reactor.callFromThread(self._close_stream, reason)

    def record(self, action: Action) -> None:
        """Record an action of the handler, unless the call is over; from any thread."""
        if not self.is_over:
            self.actions.append(action)

    def _keep(self, memory: str) -> None:
        self._memory = memory

    def _tell(self, event: events.Event) -> None:
        if self._handled is not None:
            self._handled.tell(event)

    def _mark_reached(self, name: str, cleared: bool) -> None:
        self._tell(self._script.make(events.Mark, name=name, cleared=cleared))

    def _heard(self, heard: HeardAudio) -> None:
        start, end = (round(max(0.0, at - self._began), 3) for at in (heard.start, heard.end))
        said = {"text": heard.text, "seconds": heard.seconds, "start": start, "end": end}
        self._tell(self._script.make(events.Said, **said, cleared=heard.cleared))

    def _close_stream(self, reason: str) -> None:
        if self._reason is None:
            self._reason = reason
            self._line.close()
            self._stage.when_quiet(lambda: self._finish(reason))

    def _finish(self, reason: str) -> None:
        duration = self._stage.reactor.seconds() - self._began
        self.ended = self._script.make(events.CallEnded, reason=reason, duration=duration)
        self._tell(self.ended)


class _RecordedCall(Call):
    def __init__(
        self,
        started: events.CallStarted,
        speaking: Speaking,
        leaving: CallHandover,
        seen: Snapshot,
        memory: CallMemory,
        simulated: SimulatedCall,
    ) -> None:
        super().__init__(started, speaking, leaving, seen, memory)
        self._simulated = simulated

    def say(self, audio: bytes, rate: int | None = None, kind: Kind | None = None) -> None:
        converted = telephone_audio(audio, rate, kind)
        super().say(converted, kind="mulaw")
        self._simulated.audio.append(converted)
        self._simulated.record(("say", mulaw.seconds(len(converted))))

    def say_text(self, text: str) -> Outcome[Said]:
        outcome = super().say_text(text)
        self._simulated.record(("say_text", text))
        return outcome

    def clear(self) -> None:
        super().clear()
        self._simulated.record(("clear",))

    def mark(self, name: str) -> Outcome[Played]:
        outcome = super().mark(name)
        self._simulated.record(("mark", name))
        return outcome

    def recognise(self, **options: Any) -> None:
        super().recognise(**options)
        self._simulated.record(("recognise", options))

    def hang_up(self) -> Outcome[HungUp]:
        outcome = super().hang_up()
        self._simulated.record(("hang_up",))
        return outcome

    def transfer(self, number: str) -> Outcome[None]:
        outcome = super().transfer(number)
        self._simulated.record(("transfer", number))
        return outcome
