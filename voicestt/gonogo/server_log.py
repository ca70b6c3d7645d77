"""What a server's log says went wrong, and whose mistake it was."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voicestt.handler.twilio_rest import TwilioRefused

_HANDLERS = "The handler "
_TRACEBACK = "Traceback (most recent call last)"
_INDENT = "\t"
_REFUSED = f"{TwilioRefused.__module__}.{TwilioRefused.__qualname__}"


@dataclass(frozen=True, slots=True)
class Stumble:
    """A line with a traceback below it: the line's `words`, and the exception, the `problem`, in one line."""

    words: str
    problem: str

    @property
    def is_the_handlers(self) -> bool:
        """Whether it is the application's, and not the server's."""
        return self.words.startswith(_HANDLERS)

    @property
    def asked_twilio(self) -> bool:
        """Whether it is only that Twilio did not do what a handler asked for."""
        return self.problem.startswith(_REFUSED)


def stumbles_in(messages: Sequence[str]) -> Iterator[Stumble]:
    """Every traceback in a log."""
    for at, message in enumerate(messages):
        if _TRACEBACK in message:
            words = messages[at - 1] if at and message.startswith(_INDENT) else message
            yield Stumble(words, _exception_in(messages[at + 1 :]))


def handler_failures(messages: Sequence[str]) -> list[Stumble]:
    """Those of the application's handler."""
    return [stumble for stumble in stumbles_in(messages) if stumble.is_the_handlers]


def own_failures(messages: Sequence[str]) -> list[Stumble]:
    """Those of the server itself."""
    return [stumble for stumble in stumbles_in(messages) if not stumble.is_the_handlers]


def _exception_in(trace: Sequence[str]) -> str:
    """Behind the frames, which are indented further than it is."""
    behind = (line.removeprefix(_INDENT) for line in trace)
    return next((line for line in behind if line and not line.startswith((_INDENT, " "))), "")
