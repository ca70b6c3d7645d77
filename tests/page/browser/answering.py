"""The application of the page's tests: it answers the first final of a call."""

from typing import Any

ANSWER = "תודה, רשמתי."


class Answering:
    """Answers once."""

    def __init__(self) -> None:
        self._has_answered = False

    async def on_final(self, call: Any, _event: Any) -> None:
        """Answer the first final."""
        if not self._has_answered:
            self._has_answered = True
            call.say_text(ANSWER)
