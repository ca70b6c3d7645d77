"""Says once, whatever number of calls ask it, what Google's models have otherwise than `call.recognise` asks."""

from twisted.logger import Logger

from voicestt.call.facts import CallDescription
from voicestt.config.recognition_options import NOTHING_SAID, RecognitionOptions
from voicestt.config.settings import Settings
from voicestt.server.numbers import remarks_on


class ChangeRemarks:
    """The remarks on the changes of all calls."""

    _log = Logger()

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._said: set[str] = set()

    def of(self, call: CallDescription) -> "CallChanges":
        """Return the remarks on the changes of a call that begins."""
        return CallChanges(self, call)

    def say(self, call: CallDescription, options: RecognitionOptions) -> None:
        """Say in the log what is otherwise than these options, if it was not said before."""
        if self._settings.engine != "google":
            return
        at_start = set(remarks_on(self._settings, call.options or NOTHING_SAID))
        for remark in remarks_on(self._settings, options):
            if remark not in self._said and remark not in at_start:
                self._said.add(remark)
                self._log.warn("⚠️ call.recognise: {remark}", remark=remark, log_system=call.call_sid)


class CallChanges:
    """The changes of one call's recognition, each of which counts on from those before."""

    def __init__(self, remarks: ChangeRemarks, call: CallDescription) -> None:
        self._remarks = remarks
        self._call = call
        self._own = self._options = call.options or NOTHING_SAID

    def changed(self, change: RecognitionOptions) -> None:
        """Take a change; one that says nothing restores what the call began with."""
        self._options = change.over(self._options) if change.said else self._own
        self._remarks.say(self._call, self._options)
