"""The use of NUMBERS_FILE: checked and prepared at the start and at SIGHUP, and applied to each call.

Who wins, from the weakest: the settings, the called number's table, the profile that a TwiML `<Parameter>` chose,
and what the handler asks for by `call.recognise`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.audio.greeting import BadGreeting, greeting_of
from voicestt.call.facts import CallDescription
from voicestt.config.call_plan import CallPlan, CallProfile
from voicestt.config.numbers_file import BadNumbers, NumbersFile, load_numbers
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.config.settings import Settings
from voicestt.handler.loading import BadHandler, load_handler
from voicestt.recognisers.google.request import choice_for, not_asked
from voicestt.runtime.escaping import escaped
from voicestt.server.busy import CallAnswer, busy_answer
from voicestt.tts.engines import synthesiser_of
from voicestt.tts.port import SpeechError

Speak = Callable[[str], bytes]
_LONGEST_PROFILE = 64
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A file that was read and checked, the sound of its greetings, and its answers to refused calls."""

    file: NumbersFile = field(default_factory=NumbersFile)
    greetings: Mapping[tuple[str, str | None], bytes] = field(default_factory=dict)
    busy: Mapping[str, CallAnswer] = field(default_factory=dict)


class Numbers:
    """The plans of calls by their numbers. Without NUMBERS_FILE nothing differs from the settings."""

    _log = Logger()

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._speak: Speak | None = None
        self._now = _Prepared()

    def load(self, speak: Speak | None) -> None:
        """Read and prepare the file; blocks. `speak` gives a text as mu-law, None where nothing can.

        Raises:
            BadNumbers: with everything that is wrong; SpeechError: where a greeting cannot be spoken.
        """
        self._speak = speak
        self._use(self._prepare())

    def read_again(self) -> "Deferred[None]":
        """Read the file again, in a thread; where something is wrong with it, nothing changes, and it is said."""
        if self._settings.numbers_file is None:
            return Deferred.fromCoroutine(_nothing())
        reading: Deferred[Any] = deferToThread(self._prepare)
        return reading.addCallbacks(self._use, self._keep)

    def describe(self, call: CallDescription) -> CallDescription:
        """Return the call with its plan and its own options."""
        plan = self._now.file.plan_of(call.called)
        caller, callee = plan.options_with(self._chosen_by_parameter(call))
        if plan.lines == {} and not callee.said:
            return call
        return replace(call, plan=plan, options=caller if caller.said else None, callee_options=callee)

    def greeting_of(self, call: CallDescription) -> bytes | None:
        """Return the greeting of the called number in mu-law, None for that of all calls."""
        plan = call.plan
        return None if plan.greeting is None else self._now.greetings.get((plan.greeting, plan.options.language))

    def busy_of(self, called: str | None) -> CallAnswer | None:
        """Return the answer to a refused call of this number, None for that of all calls."""
        busy = self._now.file.plan_of(called).busy
        return None if busy is None else self._now.busy.get(busy)

    def _chosen_by_parameter(self, call: CallDescription) -> CallProfile:
        name = self._settings.numbers_parameter
        profile = None if name is None else call.parameters.get(name)
        if profile is None:
            return CallProfile()
        chosen = self._now.file.chosen(call.called, str(profile))
        if chosen is None:
            self._log.warn(
                "⚠️ The <Parameter> {name} asks for the profile {profile}, which NUMBERS_FILE does not allow for "
                "the called number: the call goes on without. What to do: add it to the number's `profiles`.",
                name=name,
                profile=escaped(str(profile), _LONGEST_PROFILE),
                log_system=call.call_sid,
            )
        return chosen or CallProfile()

    def _prepare(self) -> _Prepared:
        settings = self._settings
        if settings.numbers_file is None:
            return _Prepared()
        file = load_numbers(settings.numbers_file)
        voices = _Voices(settings, self._speak)
        problems = list(problems_with(settings, file, voices.of))
        if problems:
            raise BadNumbers(problems)
        plans = file.plans
        greetings = {
            (each.greeting, each.options.language): greeting_of(
                each.greeting, settings.greeting_max_ms, voices.of(each)
            )
            for each in plans
            if each.greeting is not None
        }
        busy = {
            each.busy: busy_answer(replace(settings, busy=each.busy)) for each in plans if each.busy is not None
        }
        return _Prepared(file, greetings, busy)

    def _use(self, prepared: _Prepared) -> None:
        self._now = prepared
        if self._settings.numbers_file is None:
            return
        self._log.info(
            "[CFG] NUMBERS_FILE={path}: {numbers} numbers and patterns, {profiles} profiles.",
            path=self._settings.numbers_file,
            numbers=len(prepared.file.plans),
            profiles=len(prepared.file.profiles),
        )
        if self._settings.both_tracks != "both" and prepared.file.names_callee:
            self._log.warn("⚠️ NUMBERS_FILE has options of the callee, whom BOTH_TRACKS=caller does not recognise.")
        for place, options in prepared.file.wanted():
            for remark in remarks_on(self._settings, options):
                self._log.warn("⚠️ NUMBERS_FILE {place}: {remark}", place=place, remark=remark)

    def _keep(self, failure: Failure) -> None:
        problem = failure.value
        words = problem.problems if isinstance(problem, BadNumbers) else [str(problem)]
        self._log.error(
            "[CFG] SIGHUP: NUMBERS_FILE cannot be used, nothing changes: {problems}. What to do: correct it and "
            "send SIGHUP again.",
            problems="; ".join(each.rstrip(".") for each in words),
        )


class _Voices:
    """The voices in which greetings that are texts are spoken: each number's in its own language.

    `speak` is that of TTS_LANGUAGE and TTS_VOICE, None where nothing speaks.
    """

    def __init__(self, settings: Settings, speak: Speak | None) -> None:
        self._settings = settings
        self._speak = speak
        self._others: dict[str, Speak | None] = {}

    def of(self, plan: CallPlan) -> Speak | None:
        """Return the voice of a number's language.

        Raises:
            SpeechError: where TTS_ENGINE has none, with the line.
        """
        settings, language = self._settings, plan.options.language
        usual = settings.tts_language or settings.language
        if self._speak is None or plan.greeting is None or language is None or language == usual:
            return self._speak
        if language not in self._others:
            try:
                voice = synthesiser_of(replace(settings, tts_language=language, tts_voice=None))
            except SpeechError as problem:
                raise SpeechError(f"NUMBERS_FILE {_line(plan, 'greeting')}: greeting: {problem}") from problem
            self._others[language] = None if voice is None else voice.speak
        return self._others[language]


async def _nothing() -> None: ...


def problems_of_numbers(settings: Settings, *, may_import: bool = True) -> list[str]:
    """List everything that is wrong with NUMBERS_FILE; nothing is spoken, and no code imported without leave."""
    if settings.numbers_file is None:
        return []
    try:
        file = load_numbers(settings.numbers_file)
    except BadNumbers as bad:
        problems = list(bad.problems)
    else:
        speak = None if settings.tts_engine == "off" else _speak_later
        problems = list(problems_with(settings, file, lambda _plan: speak, may_import=may_import))
    return [f"NUMBERS_FILE={settings.numbers_file}: {each}" for each in problems]


def problems_with(
    settings: Settings,
    file: NumbersFile,
    voice_of: Callable[[CallPlan], Speak | None],
    *,
    may_import: bool = True,
) -> Iterator[str]:
    """Yield what is wrong with the plans of a file, in words with lines; `voice_of` gives the voice of a plan."""
    for plan in file.plans:
        if plan.recording and settings.record == "off":
            yield f"{_line(plan, 'recording')}: recording = true needs RECORD=caller or RECORD=both"
        yield from _of_webhook(settings, plan)
        if plan.greeting is not None:
            yield from _of_greeting(settings, plan, plan.greeting, voice_of(plan))
        if plan.handler is not None and may_import:
            yield from _of_handler(plan, plan.handler)


def remarks_on(settings: Settings, options: RecognitionOptions) -> Iterator[str]:
    """Yield what will be otherwise than the options say, because Google's model has it otherwise."""
    choice = choice_for(settings, options)
    if options.model is not None and choice.changed:
        yield f"Google refuses {choice.wanted_model} with {choice.language}: {choice.model} is used."
    for feature in not_asked(settings, options):
        yield (
            f"{feature.name} will not be asked for with {choice.model} and {choice.language}: Google has it with "
            f"{feature.where}."
        )


def _of_greeting(settings: Settings, plan: CallPlan, greeting: str, speak: Speak | None) -> Iterator[str]:
    try:
        greeting_of(greeting, settings.greeting_max_ms, speak)
    except BadGreeting as problem:
        yield f"{_line(plan, 'greeting')}: greeting {problem}"
    except _SpokenAtStart:
        pass


def _of_webhook(settings: Settings, plan: CallPlan) -> Iterator[str]:
    known = [each.name for each in settings.events_webhooks or ()]
    for name in plan.webhook or ():
        if name not in known:
            yield (
                f"{_line(plan, 'webhook')}: webhook: there is no receiver {escaped(name, _LONGEST_NAME)} in "
                f"EVENTS_WEBHOOK_URL, which has {', '.join(known) or 'none'}. What to do: put #NAME behind its "
                "address there, and that NAME here"
            )


def _of_handler(plan: CallPlan, handler: str) -> Iterator[str]:
    try:
        load_handler(handler)
    except BadHandler as problem:
        yield f"{_line(plan, 'handler')}: handler {handler}: {problem}"


def _line(plan: CallPlan, key: str) -> str:
    return f"line {plan.lines.get(key, 0)}"


class _SpokenAtStart(Exception):
    """The greeting is a text: it is spoken when the server starts."""


def _speak_later(_text: str) -> bytes:
    raise _SpokenAtStart
