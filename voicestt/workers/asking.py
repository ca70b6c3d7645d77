"""Questions to all workers: what one of them wants to know, and the words of the control socket."""

from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults

from voicestt.workers.channel import ALL_SHARE, ANSWER_SECONDS
from voicestt.workers.crew import Crew, Phase
from voicestt.workers.process import SupervisingReactor, WorkerProcess

WORD: Final = "word "
"""The beginning of a question that is a word of the control socket."""

_COUNTS: Final = ("live_calls", "streaming", "single_shot")


class Asking:
    """Asks `workers`, by their names. `flag` is ENABLE_STREAMING_STT once it was turned, for those to come."""

    def __init__(self, reactor: SupervisingReactor, crew: Crew, shutdown_seconds: float) -> None:
        self.workers: dict[str, WorkerProcess] = {}
        self.flag: bool | None = None
        self._reactor = reactor
        self._crew = crew
        self._seconds = shutdown_seconds

    def all_but(self, name: str) -> list[WorkerProcess]:
        """Return the other workers."""
        return [worker for each, worker in self.workers.items() if each != name]

    def note_flag(self, is_on: bool | None) -> None:
        """Remember the flag for workers that start later; None changes nothing."""
        self.flag = self.flag if is_on is None else is_on

    def everybody(self, what: str, seconds: float) -> "Deferred[Any]":
        """Ask all workers that serve, and say how the crew stands, within `seconds`."""
        return self._ask(what, ALL_SHARE * seconds).addCallback(
            lambda answers: {"workers": answers, "crew": self._standing()}
        )

    def control(self, word: bytes) -> "Mapping[str, object] | Deferred[Mapping[str, object]]":
        """Answer a word of the control socket for all workers."""
        text = word.decode("utf-8", "backslashreplace")
        if text == "drain":
            return self._ask(WORD + "show").addCallback(self._drain)
        if text in {"on", "off"}:
            self.note_flag(text == "on")
        return self._ask(WORD + text).addCallback(together)

    def _drain(self, answers: Mapping[str, Any]) -> Mapping[str, object]:
        self._reactor.callLater(0, self._reactor.stop)
        answer = dict(together(answers))
        live = answer.get("live_calls", 0)
        message = f"The server takes no new calls, and stops within {self._seconds:g} s; live calls: {live}"
        return {**answer, "message": message}

    def _ask(self, what: str, seconds: float = ANSWER_SECONDS) -> "Deferred[dict[str, Any]]":
        # One that starts has nothing to say yet, but is told all the same.
        asked = {name: worker.channel.ask(what, seconds) for name, worker in self.workers.items()}
        serving = [name for name in asked if self._phase(name) is not Phase.STARTING]
        answered = gatherResults([asked[name] for name in serving])
        return answered.addCallback(lambda answers: dict(zip(serving, answers, strict=True)))

    def _phase(self, name: str) -> Phase:
        member = self._crew.members.get(name)
        return Phase.STARTING if member is None else member.phase

    def _standing(self) -> dict[str, object]:
        crew = self._crew
        phases = {name: member.phase.value for name, member in crew.members.items()}
        return {
            "wanted": crew.count,
            "restarts": crew.restarts,
            "reloading": crew.is_reloading,
            "phases": phases,
            "pids": {name: worker.pid for name, worker in self.workers.items()},
        }


def together(answers: Mapping[str, Any]) -> Mapping[str, object]:
    """Make one answer of the control socket of the workers' own."""
    good = {name: each for name, each in answers.items() if isinstance(each, dict) and "message" in each}
    lines = [f"worker {name}: {each['message']}" for name, each in good.items()]
    for name in answers.keys() - good.keys():
        each = answers[name]
        error = each.get("error") if isinstance(each, dict) else None
        lines.append(f"worker {name}: {error or 'it did not answer in time; its log says more'}")
    if not good:
        return {"error": "; ".join(lines) or "no worker is ready"}
    counts = {key: sum(each.get(key, 0) for each in good.values()) for key in _COUNTS}
    flags = [each.get("enable_streaming_stt") for each in good.values()]
    return {"enable_streaming_stt": all(flags), **counts, "message": "\n".join(lines)}
