"""Problems of a call, in words and with the number of Twilio's error log."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallProblem:
    """One problem of a call: `message` for people, `code` as on Twilio's error pages (None: it has none)."""

    message: str
    code: int | None = None

    def __str__(self) -> str:
        return f"{self.message} (Twilio's error {self.code})" if self.code else self.message


class CallRefused(Exception):
    """The call cannot go on; `problem` says why."""

    def __init__(self, message: str, code: int | None = None) -> None:
        self.problem = CallProblem(message, code)
        super().__init__(str(self.problem))


class CallTroubles:
    """The problems of one call, and the warnings: what Twilio logs and the call survives."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._unsettled: CallProblem | None = None
        self.problems: list[CallProblem] = []
        self.warnings: list[CallProblem] = []

    def add(self, problem: CallProblem) -> None:
        """Note a problem."""
        self.problems.append(problem)
        self._progress(f"trouble: {problem}")

    def warn(self, problem: CallProblem) -> None:
        """Note a warning."""
        self.warnings.append(problem)
        self._progress(f"warning: {problem}")

    def unsettle(self, problem: CallProblem) -> None:
        """Note the loss of a stream: a problem if the call ends of it, and only a warning if it goes on."""
        self.settle()
        self._unsettled = problem
        self._progress(f"trouble: {problem}")

    def settle(self) -> None:
        """Note that the call went on."""
        if self._unsettled is not None:
            self.warnings.append(self._unsettled)
            self._unsettled = None

    def conclude(self) -> bool:
        """Make a problem of a lost stream that nothing followed; return whether there was one."""
        if self._unsettled is None:
            return False
        self.problems.append(self._unsettled)
        self._unsettled = None
        return True
