"""A recogniser that says what the test says, and a listener that keeps it. Both hold to the port's rules."""

from typing import cast

from voicestt.audio.ledger import AudioTotals
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.recognisers.port import (
    CallListener,
    Incident,
    RecogniserError,
    Result,
    ResultListener,
)


class Ear:
    """A Listener, of a stream or of a call, that keeps what it hears; more after the end fails the test."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.incidents: list[Incident] = []
        self.ends: list[RecogniserError | None] = []

    def heard(self, result: Result) -> None:
        assert not self.ends, f"{result} was heard after the end"
        self.results.append(result)

    def ended(self, error: RecogniserError | None) -> None:
        assert not self.ends, "the end was told twice"
        self.ends.append(error)

    def happened(self, incident: Incident) -> None:
        assert not self.ends, f"{incident} happened after the end"
        self.incidents.append(incident)

    @property
    def kinds(self) -> list[str]:
        """The kinds of the incidents."""
        return [incident.kind for incident in self.incidents]

    @property
    def partials(self) -> list[str]:
        return [result.text for result in self.results if not result.is_final]

    @property
    def finals(self) -> list[str]:
        return [result.text for result in self.results if result.is_final]


class ScriptedSession:
    """A Session, of a stream or of a call, whose words, totals and backlog are the test's."""

    def __init__(self, listener: ResultListener) -> None:
        self._listener = listener
        self.written: list[bytes] = []
        self.totals = AudioTotals()
        self.backlog = 0
        self.is_finished = False
        self.is_aborted = False
        self.pauses = 0
        self.options: RecognitionOptions | None = None
        self.changes: list[tuple[RecognitionOptions, bool]] = []

    @property
    def audio(self) -> bytes:
        return b"".join(self.written)

    def write(self, audio: bytes) -> None:
        assert not self.is_finished, "audio after finish"
        assert not self.is_aborted, "audio after abort"
        self.written.append(audio)

    def pause(self) -> None:
        assert not self.is_finished, "a pause after finish"
        self.pauses += 1

    def change(self, options: RecognitionOptions, *, at_once: bool = False) -> None:
        assert not self.is_finished, "a change after finish"
        self.changes.append((options, at_once))

    def finish(self) -> None:
        assert not self.is_finished, "finish twice"
        self.is_finished = True

    def abort(self) -> None:
        self.is_aborted = True

    def give_up(self) -> None:
        self.is_aborted = True

    def partial(self, text: str, end: int = 0, stability: float = 0.0) -> None:
        self._say(Result(text, is_final=False, end=end, stability=stability))

    def final(self, text: str, end: int = 0, confidence: float = 0.0) -> None:
        self._say(Result(text, is_final=True, end=end, confidence=confidence))

    def happen(self, incident: Incident) -> None:
        """Only where it stands for a call's session."""
        if not self.is_aborted:
            cast(CallListener, self._listener).happened(incident)

    def end(self, error: RecogniserError | None = None) -> None:
        if not self.is_aborted:
            self._listener.ended(error)

    def _say(self, result: Result) -> None:
        if not self.is_aborted:
            self._listener.heard(result)


class ScriptedRecogniser:
    """A Recogniser that keeps its sessions for the test."""

    def __init__(self) -> None:
        self.sessions: list[ScriptedSession] = []

    def open(self, listener: ResultListener, options: RecognitionOptions | None = None) -> ScriptedSession:
        session = ScriptedSession(listener)
        session.options = options
        self.sessions.append(session)
        return session

    @property
    def session(self) -> ScriptedSession:
        """The only one there is."""
        (session,) = self.sessions
        return session
