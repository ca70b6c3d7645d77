"""Checks of settings that need more than their text: files, libraries, the application's class, Google's key.

They are made before anything is started, so that all that is wrong is said at once. They start nothing, and write
nothing. They block: the machine's metadata server may be asked for a key, and espeak-ng is tried.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from google.auth.exceptions import GoogleAuthError

from voicestt.audio.greeting import BadGreeting, greeting_of
from voicestt.config.readers import is_loopback
from voicestt.config.redis_address import redis_address
from voicestt.config.settings import BadSettings, Reading, Settings
from voicestt.delivery.redis_streams import check_redis
from voicestt.delivery.sender import CannotDeliver
from voicestt.fleet.link import CannotJoin, open_fleet_servers
from voicestt.handler.loading import BadHandler, load_handler
from voicestt.journal.database import check_url
from voicestt.journal.problems import BadJournal
from voicestt.recognisers.whisper import engine as whisper
from voicestt.recording.library import library_of
from voicestt.recording.store import StoreFailed
from voicestt.runtime.google_auth import default_key, load_key
from voicestt.server.numbers import problems_of_numbers
from voicestt.server.whisper import OFF
from voicestt.tts.engines import synthesiser_of
from voicestt.tts.port import SpeechError

_NO_KEY: Final = (
    "GOOGLE_APPLICATION_CREDENTIALS is not set, and this machine has no application default credentials: Google "
    "would refuse every call. Set it to the key's path, the JSON itself, or that in base64; or set "
    "STT_ENGINE=embedded, which needs no account"
)
_NO_KEY_TO_SPEAK: Final = (
    "TTS_ENGINE=google needs a key: GOOGLE_APPLICATION_CREDENTIALS is not set, and this machine has no "
    "application default credentials"
)


class _Check(NamedTuple):
    """A check, and the variables that it looks at: it is left out where one of them cannot be used."""

    variables: frozenset[str]
    find: Callable[[Settings], str | None]


def problems_of(reading: Reading, *, may_import: bool = True) -> list[str]:
    """List everything that is wrong with the settings, in words: of their reading, and of the checks here.

    `may_import` is False where the application's code must not be imported yet, as in a process that will fork.
    """
    checks = [each for each in _CHECKS if may_import or each.find is not _handler]
    usable = [each for each in checks if not each.variables & reading.unusable]
    is_unusable = bool(reading.unusable & {"NUMBERS_FILE", "EVENTS_WEBHOOK_URL"})
    numbers = [] if is_unusable else problems_of_numbers(reading.settings, may_import=may_import)
    return [*reading.problems, *_problems(usable, reading.settings), *numbers]


def _problems(checks: list[_Check], settings: Settings) -> Iterator[str]:
    for check in checks:
        problem = check.find(settings)
        if problem is not None:
            yield problem


def _key(settings: Settings) -> str | None:
    if settings.credentials is not None:
        try:
            load_key(settings.credentials)
        except BadSettings as bad:
            return bad.problems[0]
        return None
    recognises = settings.engine == "google" and not settings.insecure
    if not recognises and not _speaks_by_google(settings):
        return None
    return None if _machine_has_a_key() else _NO_KEY if recognises else _NO_KEY_TO_SPEAK


def _speaks_by_google(settings: Settings) -> bool:
    endpoint = settings.tts_endpoint
    is_plain = settings.insecure and endpoint is not None and is_loopback(endpoint)
    return settings.tts_engine == "google" and not is_plain


def _machine_has_a_key() -> bool:
    try:
        default_key()
    except GoogleAuthError:
        return False
    return True


def _embedded(settings: Settings) -> str | None:
    directory = Path(settings.whisper_model) if settings.whisper_model else None
    is_off = settings.whisper_model == OFF or settings.whisper_url is not None
    if settings.engine != "embedded" and (directory is None or is_off):
        return None
    try:
        whisper.check(directory)
    except whisper.WeightsError as problem:
        return f"{'WHISPER_MODEL' if directory else 'STT_ENGINE=embedded'}: {problem}"
    return None


def _speech(settings: Settings) -> str | None:
    try:
        synthesiser_of(settings)
    except SpeechError as problem:
        return str(problem)
    return None


class _SpokenLater(Exception):
    """The greeting is a text: it is spoken when the server starts."""


def _greeting(settings: Settings) -> str | None:
    def speak(_text: str) -> bytes:
        raise _SpokenLater

    try:
        greeting_of(settings.greeting, settings.greeting_max_ms, None if settings.tts_engine == "off" else speak)
    except BadGreeting as problem:
        return f"GREETING {problem}"
    except _SpokenLater:
        pass
    return None


def _handler(settings: Settings) -> str | None:
    if settings.handler is None:
        return None
    try:
        load_handler(settings.handler)
    except BadHandler as problem:
        return f"HANDLER={settings.handler}: {problem}"
    return None


def _journal(settings: Settings) -> str | None:
    try:
        if settings.journal_url != "off":
            check_url(settings.journal_url)
    except BadJournal as problem:
        return str(problem)
    return None


def _redis(settings: Settings) -> str | None:
    try:
        if settings.redis_url is not None:
            check_redis(settings.redis_url)
    except CannotDeliver as problem:
        return str(problem)
    return None


def _recordings(settings: Settings) -> str | None:
    folder = Path(settings.record_dir).absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if settings.record != "off" and not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return f"RECORD_DIR={folder}: {there} is no folder that this user may write to"
    try:
        library_of(settings)
    except StoreFailed as problem:
        return f"RECORD_STORE {problem}"
    return None


def _fleet(settings: Settings) -> str | None:
    try:
        if settings.fleet_url is not None and settings.fleet_url != settings.redis_url:
            open_fleet_servers(redis_address(settings.fleet_url)).close()
    except CannotJoin as problem:
        return str(problem)
    return None


def _check(find: Callable[[Settings], str | None], *variables: str) -> _Check:
    return _Check(frozenset(variables), find)


_KEY: Final = "GOOGLE_APPLICATION_CREDENTIALS"
_CHECKS: Final = (
    _check(_key, _KEY, "STT_ENGINE", "GCP_STT_INSECURE", "TTS_ENGINE", "GCP_TTS_ENDPOINT"),
    _check(_embedded, "STT_ENGINE", "WHISPER_MODEL", "WHISPER_URL"),
    _check(_speech, "TTS_ENGINE", "TTS_LANGUAGE", "TTS_VOICE", "GCP_STT_LANGUAGE", _KEY),
    _check(_greeting, "GREETING", "GREETING_MAX_MS", "TTS_ENGINE"),
    _check(_handler, "HANDLER"),
    _check(_journal, "JOURNAL_URL"),
    _check(_redis, "REDIS_URL"),
    _check(_recordings, "RECORD", "RECORD_DIR", "RECORD_STORE", "RECORD_STORE_ENDPOINT"),
    _check(_fleet, "FLEET_REDIS_URL", "REDIS_URL"),
)
