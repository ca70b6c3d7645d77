"""Values of a file of numbers: what it says for a call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from voicestt.config.recognition_options import NOTHING_SAID, RecognitionOptions


@dataclass(frozen=True, slots=True)
class CallProfile:
    """Options that a call's parameter chooses; what those of the callee do not say is as the caller's have it."""

    options: RecognitionOptions = NOTHING_SAID
    callee: RecognitionOptions = NOTHING_SAID


@dataclass(frozen=True, slots=True)
class CallPlan:
    """The part of the file that holds for a call: None, or NOTHING_SAID, is "as the settings have it".

    `handler` is `package.module:Name`, `greeting` and `busy` are as the variables of these names; with
    `recording` False no audio is kept where RECORD keeps that of calls. `lines` has the line of each key in the
    file, and of the table itself under "". `webhook` are the destinations' names of the receivers that get the
    events, None for all of them. `callee` are the options of the other track, over those of the caller.
    """

    options: RecognitionOptions = NOTHING_SAID
    greeting: str | None = None
    recording: bool | None = None
    handler: str | None = None
    busy: str | None = field(default=None, repr=False)
    webhook: tuple[str, ...] | None = None
    callee: RecognitionOptions = NOTHING_SAID
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    def options_with(self, profile: CallProfile) -> tuple[RecognitionOptions, RecognitionOptions]:
        """Return the options of the caller and of the callee in a call of this plan that chose `profile`."""
        caller = profile.options.over(self.options)
        return caller, profile.callee.over(self.callee).over(caller)


NO_PLAN: Final = CallPlan()
