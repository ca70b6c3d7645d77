"""The settings of recordings: whether calls are recorded, and where their audio is kept."""

import re
from dataclasses import dataclass
from typing import Final

from voicestt.config import readers as read
from voicestt.config.variable import setting

_STORE: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9!_.*'()/-]{1,200})?")


def store(text: str) -> str:
    """Read `s3://BUCKET` or `s3://BUCKET/PREFIX`."""
    if _STORE.fullmatch(text) is None:
        raise ValueError("is not s3://BUCKET or s3://BUCKET/PREFIX")
    return text.rstrip("/")


@dataclass(frozen=True, kw_only=True)
class RecordingSettings:
    """The settings of recordings."""

    record: str = setting(
        "RECORD",
        "off",
        read.one_of("off", "caller", "both"),
        "Whether the audio of calls is kept, as it was: `caller` keeps what the caller said, `both` also what the "
        "caller heard, on the right channel. Mind the law before you switch it on: docs/recording.md.",
    )
    record_dir: str = setting(
        "RECORD_DIR",
        "voicestt-recordings",
        str,
        "The folder of the recordings (mode 0700, files 0600): a mu-law WAV for each media stream, below a folder "
        "for each day (UTC).",
    )
    record_days: float = setting(
        "RECORD_DAYS",
        "30",
        read.between(0, 36_500, float, "a number of days"),
        "Older recordings are deleted; 0: never. None is kept longer than JOURNAL_DAYS keeps its call.",
    )
    record_store: str | None = setting(
        "RECORD_STORE",
        None,
        store,
        "An S3-compatible store (extra `s3`) that recordings of ended calls are moved to: `s3://BUCKET/PREFIX`. A "
        "file leaves RECORD_DIR only when the store has said that it has it. Keys and region are read as every "
        "tool of AWS reads them (AWS_ACCESS_KEY_ID and its kin in the environment, or the machine's role).",
    )
    record_store_endpoint: str | None = setting(
        "RECORD_STORE_ENDPOINT",
        None,
        read.url,
        "The address of the store's S3 API, where it is not Amazon's: `https://s3.example.com`.",
    )
