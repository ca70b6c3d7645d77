"""NUMBERS_FILE in use: plans of calls, who wins, what is wrong at the start, and reading it again."""

from pathlib import Path

import pytest

from tests.conftest import Logged
from voicestt.call.facts import CallDescription
from voicestt.config.numbers_file import BadNumbers
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.config.settings import Settings, read_settings
from voicestt.server.numbers import Numbers, problems_of_numbers
from voicestt.server.preflight import problems_of
from voicestt.tts.engines import synthesiser_of
from voicestt.tts.port import SpeechError

PLAIN = {"PUBLIC_HOST": "h", "TWILIO_VALIDATE": "false", "STT_ENGINE": "embedded"}
FILE = """
[profile.english]
language = "en-US"

["+97231234567"]
language = "he-IL"
model = "default"
profiles = ["english"]
busy = "we are busy"
greeting = "default"

["+9723*"]
language = "ar-IL"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.toml"
    path.write_text(FILE, "utf-8")
    return path


def settings_of(file: Path, **more: str) -> Settings:
    return read_settings({**PLAIN, "NUMBERS_FILE": str(file), "NUMBERS_PARAMETER": "menu", **more}).settings


def numbers_of(file: Path) -> Numbers:
    numbers = Numbers(settings_of(file))
    numbers.load(None)
    return numbers


def call(called: str | None, **parameters: str) -> CallDescription:
    return CallDescription("CA1", "MZ1", called=called, parameters=parameters)


def test_a_call_gets_the_plan_of_its_number(file: Path) -> None:
    numbers = numbers_of(file)
    assert numbers.describe(call("+97231234567")).options == RecognitionOptions(language="he-IL", model="default")
    assert numbers.describe(call("+97239999999")).options == RecognitionOptions(language="ar-IL")
    assert numbers.describe(call("+15005550006")).options is None


def test_a_parameter_chooses_what_the_file_allows_and_wins_over_the_number(file: Path, logged: Logged) -> None:
    numbers = numbers_of(file)
    chosen = numbers.describe(call("+97231234567", menu="english")).options
    assert chosen == RecognitionOptions(language="en-US", model="default")
    assert numbers.describe(call("+97239999999", menu="english")).options == RecognitionOptions(language="ar-IL")
    (line,) = logged.matching("profile english, which NUMBERS_FILE does not allow")
    assert "7239999999" not in line
    assert numbers.describe(call("+97231234567", other="english")).options == RecognitionOptions(
        language="he-IL", model="default"
    )


def test_greeting_and_busy_are_the_numbers_own(file: Path) -> None:
    numbers = numbers_of(file)
    greeting = numbers.greeting_of(numbers.describe(call("+97231234567")))
    assert greeting is not None
    assert len(greeting) > 4_000
    assert numbers.greeting_of(numbers.describe(call("+97239999999"))) is None
    busy = numbers.busy_of("+97231234567")
    assert busy is not None
    assert b"we are busy" in busy.body
    assert numbers.busy_of(None) is None


def test_without_a_file_nothing_differs() -> None:
    numbers = Numbers(read_settings(PLAIN).settings)
    numbers.load(None)
    description = call("+97231234567")
    assert numbers.describe(description) is description


def test_what_is_wrong_is_said_at_the_start_with_all_else(file: Path) -> None:
    file.write_text(
        '["+12"]\nhandler = "nowhere_at_all:X"\ngreeting = "/no/such.wav"\n["+13"]\nlanguag = "en"\n', "utf-8"
    )
    reading = read_settings({**PLAIN, "NUMBERS_FILE": str(file), "MAX_CALLS": "many"})
    problems = problems_of(reading)
    assert any(problem.startswith("MAX_CALLS") for problem in problems)
    assert f"NUMBERS_FILE={file}: line 5: languag is no key of the file: did you mean language?" in problems
    file.write_text('["+12"]\nhandler = "nowhere_at_all:X"\ngreeting = "/no/such.wav"\n', "utf-8")
    handler, greeting = sorted(problems_of_numbers(settings_of(file)), key=lambda each: "line 3" in each)
    assert "line 2: handler nowhere_at_all:X: there is no module" in handler
    assert "line 3: greeting" in greeting
    assert len(problems_of_numbers(settings_of(file), may_import=False)) == 1


def test_a_number_cannot_record_where_nothing_is_recorded(file: Path) -> None:
    file.write_text('["+12"]\nrecording = true\n', "utf-8")
    (problem,) = problems_of_numbers(settings_of(file))
    assert "line 2: recording = true needs RECORD=caller or RECORD=both" in problem
    assert problems_of_numbers(settings_of(file, RECORD="caller")) == []


def test_a_greeting_that_is_a_text_is_spoken_at_the_start_only(file: Path) -> None:
    file.write_text('["+12"]\ngreeting = "hello there"\n', "utf-8")
    assert problems_of_numbers(settings_of(file, TTS_ENGINE="espeak-ng")) == []
    assert "nothing here speaks" in "".join(problems_of_numbers(settings_of(file)))
    numbers = Numbers(settings_of(file))
    numbers.load(lambda text: text.encode() * 100)
    assert numbers.greeting_of(numbers.describe(call("+12"))) == b"hello there" * 100
    with pytest.raises(BadNumbers):
        numbers_of(file)


LANGUAGES = {"+12": "he-IL", "+13": "en-US"}


def test_a_greeting_that_is_a_text_is_spoken_in_the_language_of_its_number(file: Path) -> None:
    lines = (f'["{called}"]\nlanguage = "{language}"\ngreeting = "9876"' for called, language in LANGUAGES.items())
    file.write_text("\n".join(lines), "utf-8")
    espeak = {"TTS_ENGINE": "espeak-ng", "GREETING_MAX_MS": "9000"}
    hebrew, english = (
        synthesiser_of(settings_of(file, **espeak, TTS_LANGUAGE=language)) for language in LANGUAGES.values()
    )
    assert english is not None
    assert hebrew is not None
    numbers = Numbers(settings_of(file, **espeak, TTS_LANGUAGE="en-US"))
    numbers.load(english.speak)
    found = [numbers.greeting_of(numbers.describe(call(called))) for called in LANGUAGES]
    assert found == [hebrew.speak("9876"), english.speak("9876")]
    assert found[0] != found[1]
    file.write_text('["+12"]\nlanguage = "xx-XX"\ngreeting = "9876"\n', "utf-8")
    with pytest.raises(SpeechError, match=r"NUMBERS_FILE line 3: greeting: espeak-ng .* language xx-XX"):
        numbers.load(english.speak)


def test_what_google_has_otherwise_is_said_when_the_file_is_read(file: Path, logged: Logged) -> None:
    file.write_text('["+12"]\nlanguage = "he-IL"\nmodel = "phone_call"\ndenoise = true\n', "utf-8")
    numbers_of(file)
    lines = logged.matching("NUMBERS_FILE line 1")
    assert len(lines) == 2
    assert "Google refuses phone_call with iw-IL: default is used" in lines[0]
    assert "the denoiser will not be asked for with default" in lines[1]


WEBHOOKS = {
    "EVENTS_WEBHOOK_URL": "https://first.example/in https://crm.example/in#crm",
    "EVENTS_WEBHOOK_SECRET": "whsec_" + "A" * 44,
}


def test_a_webhook_that_is_no_receiver_is_said_at_the_start_with_its_line(file: Path) -> None:
    file.write_text(
        '["+12"]\nwebhook = "crm"\n["+13"]\nwebhook = ["webhook", "sales"]\n["+14"]\nwebhook = false\n', "utf-8"
    )
    (problem,) = problems_of_numbers(settings_of(file, **WEBHOOKS))
    assert "line 4: webhook: there is no receiver webhook:sales in EVENTS_WEBHOOK_URL" in problem
    assert "which has webhook, webhook:crm." in problem
    assert len(problems_of_numbers(settings_of(file))) == 3  # there are no receivers at all
    reading = read_settings({**PLAIN, **WEBHOOKS, "NUMBERS_FILE": str(file), "EVENTS_WEBHOOK_URL": "ftp://x"})
    assert not any("there is no receiver" in problem for problem in problems_of(reading))


def test_the_receivers_of_a_call_are_those_of_its_number(file: Path) -> None:
    file.write_text('["+12"]\nwebhook = "crm"\n["+13"]\nwebhook = false\n["*"]\nlanguage = "en-US"\n', "utf-8")
    numbers = Numbers(settings_of(file, **WEBHOOKS))
    numbers.load(None)
    found = [numbers.describe(call(called)).plan.webhook for called in ("+12", "+13", "+14", None)]
    assert found == [("webhook:crm",), (), None, None]


def test_the_callee_has_options_of_its_own(file: Path, logged: Logged) -> None:
    file.write_text('["+12"]\nlanguage = "he-IL"\ncallee = { language = "en-US" }\n["+13"]\nlanguage = "ar-IL"\n')
    numbers = numbers_of(file)
    own, same = (numbers.describe(call(number)) for number in ("+12", "+13"))
    assert own.options == RecognitionOptions(language="he-IL")
    assert own.for_callee.options == RecognitionOptions(language="en-US")
    assert same.for_callee.options == same.options == RecognitionOptions(language="ar-IL")
    assert logged.matching("options of the callee, whom BOTH_TRACKS=caller does not recognise")
