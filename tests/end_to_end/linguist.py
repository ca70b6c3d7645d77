"""A handler for tests: after each final it expects the other language; the first change is to English."""

from voicestt.events import Final
from voicestt.handler import Call


class Linguist:
    """One call's."""

    def on_final(self, call: Call, event: Final) -> None:
        language = "he-IL" if event.utterance % 2 == 0 else "en-US"
        call.recognise(language=language, hints=[("Shure", 15)])


class Interpreter:
    """One call's of both sides: after each final of the callee it expects the other language of the callee's."""

    def on_final(self, call: Call, event: Final) -> None:
        if event.track == "callee":
            self.expects_english = not getattr(self, "expects_english", False)
            call.recognise(language="en-US" if self.expects_english else "he-IL", track="callee")
