"""Problems of a call, in words and with the number of Twilio's error log."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a call: `words` for people, `code` as on Twilio's error pages (None: it has none)."""

    words: str
    code: int | None = None

    def __str__(self) -> str:
        return f"{self.words} (Twilio's error {self.code})" if self.code else self.words


class CallRefused(Exception):
    """The call cannot go on; `problem` says why."""

    def __init__(self, words: str, code: int | None = None) -> None:
        self.problem = Problem(words, code)
        super().__init__(str(self.problem))
