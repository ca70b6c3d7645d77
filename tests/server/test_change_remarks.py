"""Options of `call.recognise` that Google's models do not have are said in the log, once."""

from tests.conftest import Logged
from voicestt.call.facts import CallDescription
from voicestt.config.recognition_options import NOTHING_SAID, RecognitionOptions
from voicestt.config.settings import Settings, read_settings
from voicestt.server.change_remarks import ChangeRemarks

PLAIN = {"PUBLIC_HOST": "h", "TWILIO_VALIDATE": "false", "GCP_STT_LANGUAGE": "en-US", "GCP_STT_MODEL": "default"}
DENOISE = RecognitionOptions(denoise=True)


def settings_of(**more: str) -> Settings:
    return read_settings({**PLAIN, **more}).settings


def call(options: RecognitionOptions | None = None) -> CallDescription:
    return CallDescription("CA1", "MZ1", options=options)


def test_a_feature_that_the_model_does_not_have_is_said_once_for_all_calls(logged: Logged) -> None:
    remarks = ChangeRemarks(settings_of())
    for _ in range(3):
        changes = remarks.of(call())
        changes.changed(DENOISE)
        changes.changed(DENOISE)
    (line,) = logged.matching("call.recognise: the denoiser")
    assert "will not be asked for with default and en-US: Google has it with" in line


def test_a_model_that_google_does_not_have_in_the_language_is_said(logged: Logged) -> None:
    changes = ChangeRemarks(settings_of()).of(call())
    changes.changed(RecognitionOptions(model="phone_call"))
    assert logged.matching("call.recognise:") == []
    changes.changed(RecognitionOptions(language="he-IL"))
    assert logged.matching("Google refuses phone_call with iw-IL: default is used.")


def test_what_the_call_began_with_was_said_before(logged: Logged) -> None:
    changes = ChangeRemarks(settings_of()).of(call(DENOISE))
    changes.changed(RecognitionOptions(punctuation=False))
    changes.changed(NOTHING_SAID)
    assert logged.matching("call.recognise:") == []


def test_whisper_has_none_of_them_and_nothing_is_said(logged: Logged) -> None:
    ChangeRemarks(settings_of(STT_ENGINE="embedded")).of(call()).changed(DENOISE)
    assert logged.matching("call.recognise:") == []
