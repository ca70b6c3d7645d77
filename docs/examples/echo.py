"""Says back what the caller said, and falls silent as soon as the caller speaks again.

    ENABLE_STREAMING_STT=true TTS_ENGINE=espeak-ng \\
        twistd --nodaemon --pidfile= voicestt --handler docs.examples.echo:Echo

from the project's folder, with whatever else the server needs (see docs/settings.md). There is one Echo for each
call; none of its methods blocks or waits, so it always knows at once that the caller interrupts.
"""

from voicestt.events import Final, Partial, UtteranceEnd
from voicestt.handler import Call


class Echo:
    """One call's echo; `_said` is what the caller has said since the last one."""

    def __init__(self) -> None:
        self._said: list[str] = []

    async def on_partial(self, call: Call, _event: Partial) -> None:
        """The caller speaks."""
        _listen(call)

    async def on_final(self, call: Call, event: Final) -> None:
        """The caller has said something, and perhaps goes on. No partial need have come before it."""
        _listen(call)
        self._said.append(event.text)

    async def on_utterance_end(self, call: Call, _event: UtteranceEnd) -> None:
        """The caller waits for an answer."""
        said, self._said = self._said, []
        if said:
            call.say_text(" ".join(said))


def _listen(call: Call) -> None:
    if call.is_speaking:
        call.clear()
