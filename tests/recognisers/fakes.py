"""A recogniser that says what the test says, and a listener that keeps it. Both hold to the port's rules."""

from voicestt.recogniser import Listener, RecogniserError, Result


class Ear:
    """A Listener that keeps what it hears; more after the end fails the test."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.ends: list[RecogniserError | None] = []

    def heard(self, result: Result) -> None:
        assert not self.ends, f"{result} was heard after the end"
        self.results.append(result)

    def ended(self, error: RecogniserError | None) -> None:
        assert not self.ends, "the end was told twice"
        self.ends.append(error)

    @property
    def partials(self) -> list[str]:
        return [result.text for result in self.results if not result.is_final]

    @property
    def finals(self) -> list[str]:
        return [result.text for result in self.results if result.is_final]


class ScriptedSession:
    """A Session whose words are the test's."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.written: list[bytes] = []
        self.is_finished = False
        self.is_aborted = False

    @property
    def audio(self) -> bytes:
        return b"".join(self.written)

    def write(self, audio: bytes) -> None:
        assert not self.is_finished, "audio after finish"
        assert not self.is_aborted, "audio after abort"
        self.written.append(audio)

    def finish(self) -> None:
        assert not self.is_finished, "finish twice"
        self.is_finished = True

    def abort(self) -> None:
        self.is_aborted = True

    def partial(self, text: str, end: int = 0, stability: float = 0.0) -> None:
        self._say(Result(text, is_final=False, end=end, stability=stability))

    def final(self, text: str, end: int = 0, confidence: float = 0.0) -> None:
        self._say(Result(text, is_final=True, end=end, confidence=confidence))

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

    def open(self, listener: Listener) -> ScriptedSession:
        session = ScriptedSession(listener)
        self.sessions.append(session)
        return session

    @property
    def session(self) -> ScriptedSession:
        """The only one there is."""
        (session,) = self.sessions
        return session
