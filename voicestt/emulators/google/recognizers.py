"""v2's recognizers: configurations that a client keeps with the service under a name, until the service stops.

A request's configuration overrides that of its recognizer: the fields that it sets, or those of its mask. The
recognizer `_` is always there, and has none. Source: `config_mask` in v2's cloud_speech.proto.
"""

import re
from typing import Any, NoReturn

from google.cloud.speech_v2.types import cloud_speech as v2

from voicestt.emulators.google.limits import Code, Refusal
from voicestt.emulators.google.resources import not_found, now, page_of, usual_refusal

MOST_RECOGNIZERS = 100
LARGEST_RECOGNIZER = 1_048_576
_PATH = re.compile(r"(projects/[^/]+/locations/([^/]+))/recognizers/([^/]+)")
_PARENT = re.compile(r"projects/[^/]+/locations/[^/]+")
_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_Config = v2.RecognitionConfig.pb()
Recognizer = v2.Recognizer.pb()


class Recognizers:
    """The recognizers of a service."""

    def __init__(self, most: int = MOST_RECOGNIZERS) -> None:
        self._most = most
        self._kept: dict[str, Any] = {}

    def config_of(self, name: str, config: Any, mask: Any) -> Any:
        """Return what a request asks for by a recognizer, its own configuration and a mask; raises `Refusal`."""
        path = _path(name)
        asked = _Config()
        if path[3] != "_":
            asked.CopyFrom(_default_of(self.get(name)))
        if not mask.paths:
            _override(asked, config)
        elif list(mask.paths) == ["*"]:
            asked.CopyFrom(config)
        else:
            _override_masked(asked, config, mask)
        return asked

    def create(self, parent: str, identifier: str, recognizer: Any, *, only_check: bool = False) -> Any:
        """Keep a recognizer, and return it as it is kept; raises `Refusal`."""
        if not _PARENT.fullmatch(parent) or not _ID.fullmatch(identifier):
            _invalid()
        name = f"{parent}/recognizers/{identifier}"
        if name in self._kept:
            raise Refusal(Code.ALREADY_EXISTS, "Requested entity already exists")
        if len(self._kept) >= self._most or recognizer.ByteSize() > LARGEST_RECOGNIZER:
            raise usual_refusal(Code.RESOURCE_EXHAUSTED)
        kept = Recognizer()
        kept.CopyFrom(recognizer)
        kept.name, kept.state = name, int(v2.Recognizer.State.ACTIVE)
        kept.create_time.CopyFrom(now())
        kept.update_time.CopyFrom(kept.create_time)
        if not only_check:
            self._kept[name] = kept
        return kept

    def get(self, name: str) -> Any:
        """Return a recognizer; raises `Refusal`."""
        _path(name)
        kept = self._kept.get(name)
        if kept is None:
            raise not_found()
        return kept

    def page(self, parent: str, size: int, token: str) -> tuple[list[Any], str]:
        """Return recognizers of a location, and the token of the next page; raises `Refusal`."""
        if not _PARENT.fullmatch(parent) or (token and not token.isdecimal()):
            _invalid()
        kept = [each for name, each in self._kept.items() if name.startswith(f"{parent}/")]
        return page_of(kept, size, token)

    def delete(self, name: str, *, may_be_missing: bool = False, only_check: bool = False) -> Any:
        """Forget a recognizer, and return it; raises `Refusal`."""
        if may_be_missing and _path(name) and name not in self._kept:
            return Recognizer(name=name)
        kept = self.get(name)
        if not only_check:
            del self._kept[name]
        return kept


def location_of(name: str) -> str:
    """Return the location in a recognizer's name; raises `Refusal`."""
    return _path(name)[2]


def _path(name: str) -> re.Match[str]:
    path = _PATH.fullmatch(name)
    if path is None:
        raise Refusal(
            Code.INVALID_ARGUMENT,
            f"Invalid resource field value in the request: {name!r} is not "
            "projects/PROJECT/locations/LOCATION/recognizers/RECOGNIZER, or …/recognizers/_ for none.",
        )
    return path


def _default_of(recognizer: Any) -> Any:
    """Return a recognizer's configuration, with model and languages from the fields that they once were in."""
    config = _Config(model=recognizer.model, language_codes=recognizer.language_codes)
    _override(config, recognizer.default_recognition_config)
    return config


def _override(target: Any, source: Any) -> None:
    """Set the fields of `target` that `source` sets; what is repeated is replaced."""
    for field, value in source.ListFields():
        if isinstance(value, (str, int, float, bool)):
            setattr(target, field.name, value)
        elif hasattr(value, "ListFields"):
            getattr(target, field.name).SetInParent()
            _override(getattr(target, field.name), value)
        else:
            target.ClearField(field.name)
            getattr(target, field.name).extend(value)


def _override_masked(target: Any, source: Any, mask: Any) -> None:
    try:
        mask.MergeMessage(source, target, replace_message_field=True, replace_repeated_field=True)
    except (LookupError, ValueError) as error:
        raise Refusal(Code.INVALID_ARGUMENT, f"Invalid config_mask: {error}") from error


def _invalid() -> NoReturn:
    raise Refusal(Code.INVALID_ARGUMENT, "Invalid resource field value in the request.")
