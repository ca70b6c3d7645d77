"""One telephone call: follows the server's TwiML, verb by verb and document by document, until it ends.

A stream ends when the caller hangs up, when the server closes it, or when the REST API gives the call another
document; what follows is the next verb, the `action`, or that document. The caller speaks on in real time all the
while: what is said between two streams is not sent. At the end of a document the call ends.
"""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from twisted.internet.defer import Deferred

from voicestt.emulators.twilio.call_values import CallReport, CallUpdate, EndedBy, Speech, StreamLeg
from voicestt.emulators.twilio.conversation import CallerSide
from voicestt.emulators.twilio.problems import CallProblem, CallRefused, CallTroubles
from voicestt.emulators.twilio.schedule import Wait
from voicestt.emulators.twilio.stream import CallerStream, CallSetting
from voicestt.emulators.twilio.tracks import INBOUND, OUTBOUND
from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.emulators.twilio.twiml import (
    NO_STREAM,
    Connect,
    Dial,
    Fetch,
    HangUp,
    Listen,
    Redirect,
    StreamNoun,
    UnknownVerb,
    Verb,
)
from voicestt.emulators.twilio.webhooks import TwimlDocument, given_document

MOST_DOCUMENTS: Final = 50
"""Documents that a call follows without one stream among them. Twilio documents no such bound for calls (for
messages it is 50: error 14106); without one, a redirect to itself would never end."""

PICK_UP_SECONDS: Final = 2.0
"""The time after which whoever is dialled picks up."""


class SimulatedCaller:
    """A call from its first webhook to its report; to be run once."""

    def __init__(self, setting: CallSetting, sids: Sids, speech: Speech, progress: Callable[[str], None]) -> None:
        self._setting = setting
        self._options = setting.options
        self._speech = speech
        self._progress = progress
        self._sids = sids
        self._webhooks = setting.webhooks
        self._conversation = CallerSide(
            setting.reactor, setting.clocks.monotonic, speech, setting.options, progress
        )
        self._fallback = None if setting.options.fallback_url is None else Fetch(setting.options.fallback_url)
        self._streams: list[CallerStream] = []
        self._wait = Wait(setting.reactor)
        self._speaking: Deferred[None] | None = None
        self._update: CallUpdate | None = None
        self._ended_by: EndedBy | None = None
        self._dropped = False
        self._troubles = CallTroubles(progress)
        self._documents = 0
        self._updates = 0
        self._verbs: list[str] = []
        self._statuses: list[tuple[str, int]] = []

    async def run(self) -> CallReport:
        """Place the call and follows it to its end; never raise for what the server does."""
        document = await self._asked(self._webhooks.incoming_call(), self._setting.target.public_url)
        while document is not None:
            document = await self._next(document, await self._follow(document))
        await self._finish()
        legs = [await stream.finished() for stream in self._streams]
        return self._report(legs)

    # -- documents

    async def _follow(self, document: TwimlDocument) -> Fetch | None:
        """Perform the verbs in order; return where to ask for what follows, None at the end."""
        for verb in document.verbs:
            fetch = await self._perform(verb)
            if fetch is not None or self._is_interrupted:
                return fetch
        return None

    async def _next(self, document: TwimlDocument, fetch: Fetch | None) -> TwimlDocument | None:
        """Find the document that follows; None at the end of the call.

        An update comes before all else; the `action` of what it interrupts is asked nevertheless, as Twilio was
        seen to do, and its answer dropped.
        """
        if self._documents >= MOST_DOCUMENTS:
            self._troubles.add(CallProblem(f"{MOST_DOCUMENTS} documents followed one another without a stream"))
            return None
        following = None
        if fetch is not None and self._ended_by is None:
            following = await self._asked(self._webhooks.follow(document.url, fetch), fetch.url)
        while self._update is not None and self._ended_by is None:
            update, self._update = self._update, None
            following = await self._updated(update)
        return following if self._ended_by is None else None

    async def _updated(self, update: CallUpdate) -> TwimlDocument | None:
        self._updates += 1
        self._fallback = update.fallback
        here = self._setting.target.public_url
        if update.fetch is not None:
            self._progress(f"the call goes on with {update.fetch.url}, as the REST API says")
            return await self._asked(self._webhooks.follow(here, update.fetch), update.fetch.url)
        self._progress("the call goes on with the TwiML that the REST API got")
        return await self._asked(given_document(here, update.twiml or ""), here)

    async def _asked(self, asking: Coroutine[Any, Any, TwimlDocument], url: str) -> TwimlDocument | None:
        """Await a document; where there is none, ask the fallback's URL instead, once."""
        self._documents += 1
        try:
            return await asking
        except CallRefused as refused:
            return await self._fallen_back(refused.problem, url)

    async def _fallen_back(self, problem: CallProblem, url: str) -> TwimlDocument | None:
        fallback, self._fallback = self._fallback, None
        if fallback is None or self._ended_by is not None:
            self._troubles.add(problem)
            return None
        self._troubles.warn(problem)
        fields = {"ErrorCode": str(problem.code or ""), "ErrorUrl": url}
        again = self._webhooks.follow(self._setting.target.public_url, replace(fallback, fields=fields))
        return await self._asked(again, fallback.url)

    # -- verbs

    async def _perform(self, verb: Verb) -> Fetch | None:
        """Perform one verb; return where to ask for what follows, None where that is the next verb."""
        self._verbs.append(getattr(verb, "verb", type(verb).__name__))
        match verb:
            case Connect(stream, action):
                await self._connect(stream)
                return action
            case Dial(seconds, action):
                return await self._dial(seconds, action)
            case Listen(name, seconds):
                self._progress(f"<{name}>: {seconds:.1f} s")
                await self._rest(seconds)
            case Redirect(to):
                return to
            case HangUp():
                self._end("twiml")
            case UnknownVerb(name):
                self._troubles.warn(CallProblem(f"<{name}> is not simulated, and skipped"))
        return None

    async def _connect(self, noun: StreamNoun) -> None:
        if not self._streams:
            self._progress(f"the webhook took the call {self._sids.call}; its audio goes to {noun.url}")
        sids = self._sids.next_stream() if self._streams else self._sids
        stream = CallerStream(self._setting, noun, sids, self)
        try:
            await stream.open()
        except CallRefused as refused:
            self._troubles.unsettle(refused.problem)
            return
        self._opened(stream)
        if stream.is_up:
            await self._rest()
        self._conversation.leave()
        if self._dropped:
            self._progress(f"cutting the connection after {self._options.drop_at} s, as asked")
            stream.drop()
        else:
            stream.leave()

    def _opened(self, stream: CallerStream) -> None:
        self._streams.append(stream)
        self._documents = 0
        self._troubles.settle()
        self._progress(f"the stream {stream.sids.stream} is open; speaking")
        self._conversation.join(stream)
        self._begin_speaking()

    async def _dial(self, seconds: float, action: Fetch | None) -> Fetch | None:
        callee = self._options.callee
        self._progress("dialling")
        await self._rest(seconds if callee == "no-answer" else min(seconds, PICK_UP_SECONDS))
        if callee == "completed" and not self._is_interrupted:
            self._progress("somebody picks up; speaking to them")
            self._troubles.settle()
            self._begin_speaking()
            await self._rest()
        return action and replace(action, fields={"DialCallStatus": callee})

    # -- what happens meanwhile

    @property
    def _is_interrupted(self) -> bool:
        return self._ended_by is not None or self._update is not None

    async def _rest(self, seconds: float | None = None) -> None:
        if not self._is_interrupted:
            await self._wait.rest(seconds)

    def obey(self, update: CallUpdate) -> None:
        """Leave what the call does and follows the update."""
        if update.fetch is None and update.twiml is None:
            self._end("api")
        else:
            self._update = update
            self._wait.cut()

    def _begin_speaking(self) -> None:
        if self._speaking is None and not self._is_interrupted:
            self._speaking = Deferred.fromCoroutine(self._speak())

    async def _speak(self) -> None:
        try:
            self._dropped = not await self._conversation.run()
        finally:
            self._end("caller")

    def _end(self, by: EndedBy) -> None:
        self._ended_by = self._ended_by or by
        self._wait.cut()

    def heard(self, stream: CallerStream, payload: bytes, is_binary: bool) -> None:
        """Take a message of the server."""
        if is_binary:
            self._troubles.add(
                CallProblem("the server sent a binary frame; only text frames are understood", 31950)
            )
            return
        try:
            self._conversation.hear(stream, payload.decode("utf-8"))
        except CallRefused as refused:
            self._troubles.add(refused.problem)

    def lost(self, stream: CallerStream, problem: CallProblem) -> None:
        """Handle the end of a stream that the server closed, or whose connection broke."""
        self._conversation.leave()
        self._troubles.unsettle(problem)
        self._wait.cut()

    def trouble(self, problem: CallProblem, *, is_expected: bool) -> None:
        """Note a problem that does not end the call."""
        (self._troubles.warn if is_expected else self._troubles.add)(problem)

    def answered(self, event: str, status: int) -> None:
        """Note the answer to a status callback."""
        self._statuses.append((event, status))

    # -- the end

    async def _finish(self) -> None:
        if self._ended_by in {"caller", "api"}:
            self._troubles.settle()
        self._end("server" if self._troubles.conclude() else "twiml")
        if self._speaking is None and self._ended_by == "twiml" and not self._troubles.problems:
            self._troubles.add(CallProblem(NO_STREAM))
        self._conversation.stop()
        if self._speaking is not None:
            await self._speaking

    def _report(self, legs: list[StreamLeg]) -> CallReport:
        said = self._conversation
        last = legs[-1] if legs else None
        return CallReport(
            call_sid=self._sids.call,
            stream_sid=legs[0].stream_sid if legs else self._sids.stream,
            bytes_sent=said.bytes_sent[INBOUND],
            other_bytes_sent=said.bytes_sent[OUTBOUND],
            frames_sent=said.frames_sent,
            seconds=said.frames_sent * self._options.schedule.frame_seconds,
            first_frame_at=said.first_frame_at,
            voice_began_at=said.spoken_at(self._speech.voice_begins),
            voice_ended_at=said.spoken_at(self._speech.voice_ends),
            latest_frame_ms=said.latest * 1000,
            webhook_status=self._webhooks.first_status,
            subprotocol=self._streams[-1].socket.subprotocol if self._streams else None,
            status_callbacks=tuple(self._statuses),
            close_code=last.close_code if last else None,
            close_reason=last.close_reason if last else None,
            received_audio=said.received,
            heard_audio=said.heard,
            first_heard_at=said.first_heard_at,
            cleared_at=said.cleared_at,
            marks_returned=tuple(said.marks),
            inserted=tuple(said.inserted),
            streams=tuple(legs),
            unsent=said.unsent,
            verbs=tuple(self._verbs),
            updates=self._updates,
            ended_by=self._ended_by or "twiml",
            warnings=tuple(self._troubles.warnings),
            problems=tuple(self._troubles.problems),
        )
