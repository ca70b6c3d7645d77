"""The configuration of a recognition request to Google, and the clean-up of its answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from voicestt.recognisers.google.api import ApiVersion
from voicestt.recognisers.google.responses import (
    Clean,
    results_of,
    unchanged,
    utterance_of,
)
from voicestt.recognisers.google.v1 import GOOGLE_V1
from voicestt.recognisers.port import Result
from voicestt.recognisers.punctuation import without_punctuation


@dataclass(frozen=True, slots=True)
class RecognitionRequest:
    """The configuration of a request: Google's language code and model, punctuation, API version, and
    whether the words of finals are wanted with their times.
    """

    language: str
    model: str
    punctuation_interim: bool = False
    punctuation_final: bool = True
    api: ApiVersion = GOOGLE_V1
    word_times: bool = True

    @property
    def punctuation(self) -> bool:
        """True if either kind of result is to have punctuation: Google has one flag for both."""
        return self.punctuation_interim or self.punctuation_final

    @property
    def clean_partial(self) -> Clean:
        """The clean-up of a partial's text."""
        return unchanged if self.punctuation_interim or not self.punctuation else without_punctuation

    @property
    def clean_final(self) -> Clean:
        """The clean-up of a final's text."""
        return unchanged if self.punctuation_final or not self.punctuation else without_punctuation

    def config(self) -> Any:
        """Make a raw RecognitionConfig: LINEAR16, 8 kHz, mono."""
        return self.api.config(self.language, self.model, punctuation=self.punctuation, word_times=self.word_times)

    def results_of(self, response: Any) -> Sequence[Result]:
        """See `responses.results_of`."""
        return results_of(response, self.clean_partial, self.clean_final, self.api)

    def utterance_of(self, response: Any) -> Result | None:
        """See `responses.utterance_of`."""
        return utterance_of(response, self.clean_final, self.api)
