"""Negotiation of features with Google: one that it refuses and calls can do without is given up for all calls."""

import re
from dataclasses import replace

from twisted.logger import Logger

from voicestt.recognisers.google.config import RecognitionRequest
from voicestt.recognisers.port import RecogniserError

# v2 says "Config contains unsupported fields." and names them where gRPC's status does not show them.
_OF_WORD_TIMES = re.compile(r"word.?(time|level)|time.?(offset|stamp)|unsupported field", re.IGNORECASE)


class FeatureNegotiation:
    """The configuration `asked` from here on; word times are given up before a model is."""

    _log = Logger()

    def __init__(self, asked: RecognitionRequest) -> None:
        self.asked = asked

    def consider(self, error: RecogniserError, asked: RecognitionRequest) -> RecogniserError:
        """Drop the feature that Google's `error` refuses, if any; `asked` is the configuration that was refused.

        Returns `error`, or ABORTED, which another attempt can mend, if a feature was given up.
        """
        if error.status != "INVALID_ARGUMENT":
            return error
        if asked.word_times and _OF_WORD_TIMES.search(error.words):
            return self._give_up_word_times(error, asked)
        if "model" in error.words.lower() and asked.model != asked.api.spare_model:
            return self._give_up_model(error, asked)
        return error

    def _give_up_word_times(self, error: RecogniserError, asked: RecognitionRequest) -> RecogniserError:
        if self.asked.word_times:
            self.asked = replace(self.asked, word_times=False)
            self._log.warn(
                "⚠️ Google does not give the times of words with the model {model} and {language}: finals come "
                "without their words one by one from here on. Google said: {words}",
                model=asked.model,
                language=asked.language,
                words=error.words,
            )
        return RecogniserError("ABORTED", "word times were refused; without them is tried")

    def _give_up_model(self, error: RecogniserError, asked: RecognitionRequest) -> RecogniserError:
        spare = asked.api.spare_model
        if self.asked.model == asked.model:
            self.asked = replace(self.asked, model=spare)
            self._log.warn(
                "⚠️ Google refuses GCP_STT_MODEL={asked} with {language}: {spare} is used from here on. "
                "Google said: {words}. Set GCP_STT_MODEL={spare} to be rid of this line.",
                asked=asked.model,
                spare=spare,
                language=asked.language,
                words=error.words,
            )
        return RecogniserError("ABORTED", f"the model {asked.model} was refused; {spare} is tried")
