"""The first steps of a start: the settings in the log, and the limit on open files raised."""

import os
import resource
import sys

from twisted.logger import Logger

from voicestt import __version__
from voicestt.config.in_force import changed_settings
from voicestt.config.settings import Settings
from voicestt.journal.database import name_of
from voicestt.recognisers.google.request import ModelChoice, choice_of, is_elsewhere, not_asked

_MODEL = "GCP_STT_MODEL"
_log = Logger()


def announce(settings: Settings) -> None:
    """Log the settings in lines that begin with [CFG], and warn of those that may be a mistake."""
    choice = choice_of(settings)
    _log.info("[CFG] ENABLE_STREAMING_STT={flag}", flag=settings.enable_streaming_stt)
    _log.info(
        "[CFG] PUBLIC_HOST={host} language={language} model={model}",
        host=settings.public_host,
        language=choice.language,
        model=choice.model,
    )
    changed = ", ".join(changed_settings(settings))
    _log.info("[CFG] voicestt {version}; not the defaults: {changed}.", version=__version__, changed=changed)
    _log.info(
        "[CFG] The journal: {journal}. The events file: {events_file}.",
        journal=settings.journal_url if settings.journal_url == "off" else name_of(settings.journal_url),
        events_file=os.path.abspath(settings.events_file) if settings.events_file else "none",
    )
    _warn(settings, choice)


def _warn(settings: Settings, choice: ModelChoice) -> None:
    if choice.changed and _MODEL in settings.given:
        _log.warn(
            "⚠️ GCP_STT_MODEL={asked} was asked for, but Google refuses it with {language}: {used} is used. "
            "Set GCP_STT_MODEL={used} to be rid of this line.",
            asked=choice.wanted_model,
            language=choice.language,
            used=choice.model,
        )
    _warn_of_features(settings, choice)
    if is_elsewhere(settings):
        _log.warn(
            "⚠️ Google has {model} in us, eu and some others, but not in global: "
            "set GCP_STT_LOCATION, or expect the model to be refused.",
            model=choice.model,
        )
    if not settings.twilio_validate:
        _log.warn(
            "⚠️ TWILIO_VALIDATE=false: anybody who finds this server can make calls to it. For trying out only."
        )


def _warn_of_features(settings: Settings, choice: ModelChoice) -> None:
    for feature in not_asked(settings):
        _log.warn(
            "⚠️ The settings ask for {feature}, which Google has with {where}: it is not asked for with {model} "
            "and {language}.",
            feature=feature.name,
            where=feature.where,
            model=choice.model,
            language=choice.language,
        )


def raise_descriptors() -> int:
    """Raise the soft limit to the hard one, log it, and return the limit that holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as problem:
            _log.warn(
                "This process may have {soft} descriptors (calls, connections, files), and raising that to {hard} "
                "failed ({problem}). What to do: `ulimit -n`, or LimitNOFILE of systemd, if calls fail.",
                soft=soft,
                hard=hard,
                problem=str(problem),
            )
            return soft
    _log.info("[CFG] {hard} descriptors (calls, connections, files); {soft} before.", hard=hard, soft=soft)
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard
