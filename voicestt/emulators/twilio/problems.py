"""What can go wrong with a call, in words and with the number that Twilio's error log would give it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that went wrong: `words` for people, `code` as on Twilio's error pages (None: it has none)."""

    words: str
    code: int | None = None

    def __str__(self) -> str:
        return f"{self.words} (Twilio's error {self.code})" if self.code else self.words


class CallRefused(Exception):
    """The call cannot go on; `problem` says why."""

    def __init__(self, words: str, code: int | None = None) -> None:
        self.problem = Problem(words, code)
        super().__init__(str(self.problem))
