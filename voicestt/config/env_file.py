"""The variables of a server, from its environment and from a file that can be read again while it runs.

At the start the environment wins over the file. A running process's environment cannot change, so when the file is
read again its ENABLE_STREAMING_STT wins, and is the only one that takes effect: all others need a restart.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from dotenv import dotenv_values

from voicestt.config.settings import BadSettings, Settings

FLAG = "ENABLE_STREAMING_STT"


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """The result of reading the file again.

    `is_on` is the flag in the file (None if it is not there), `at_restart` the settings after a restart.
    """

    path: str
    is_on: bool | None
    at_restart: Settings


class EnvironmentFile:
    """The file at `path` (None: no file) and the variables that win over it.

    `environ` wins over the file, and `overrides`, the command line's, over both.
    """

    def __init__(self, path: str | None, environ: Mapping[str, str], overrides: Mapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self._overrides = overrides

    @property
    def has_path(self) -> bool:
        """True if there is a file to be read."""
        return bool(self._path)

    def variables(self) -> dict[str, str]:
        """Return all variables that are set.

        Raises:
            BadSettings: where the file cannot be read.
        """
        return self._over(self._read())

    def sources(self) -> dict[str, str]:
        """Return where each variable that is set was set.

        Raises:
            BadSettings: where the file cannot be read.
        """
        layers = (
            (self._read(), f"env file {self._path}"),
            (self._environ, "environment"),
            (self._overrides, "command line"),
        )
        return {name: source for values, source in layers for name in values if values[name].strip()}

    def read_again(self) -> ReadAgain:
        """Read the file as it is now, and check it as at the start.

        Raises:
            BadSettings: where there is no file, it cannot be read, or something in it cannot be used.
        """
        if not self._path:
            raise BadSettings(["no file was named at the start (VOICESTT_ENV_FILE, or --env-file)"])
        from_file = self._read()
        variables = self._over(from_file)
        text = (from_file.get(FLAG) or "").strip()
        checked = Settings.from_environment({**variables, FLAG: text})
        is_on = checked.enable_streaming_stt if text else None
        return ReadAgain(self._path, is_on, Settings.from_environment(variables))

    def _over(self, from_file: Mapping[str, str]) -> dict[str, str]:
        return {**from_file, **self._environ, **self._overrides}

    def _read(self) -> dict[str, str]:
        path = self._path
        if not path:
            return {}
        if not os.path.isfile(path):
            raise BadSettings([f"--env-file {path}: there is no such file"])
        try:
            values = dotenv_values(path, interpolate=False)
        except (OSError, UnicodeDecodeError):
            raise BadSettings([f"--env-file {path}: it is no text that can be read"]) from None
        return {name: value for name, value in values.items() if value is not None}
