"""Parses times in options: an age or a date."""

import re
import time
from datetime import UTC, datetime
from typing import Any

import click

_AGE = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}


class Moment(click.ParamType[float]):
    """A click option type for 30m, 2h or 7d (so long ago), or a date in UTC; gives seconds since 1970."""

    name = "time"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        """Parse an age such as "2h", or a date, to seconds since 1970."""
        age = _AGE.fullmatch(str(value))
        if age is not None:
            return time.time() - int(age[1]) * _UNITS[age[2]]
        try:
            date = datetime.fromisoformat(str(value))
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither an age such as 2h or 7d nor a date such as 2026-11-23", parameter, context
            )
