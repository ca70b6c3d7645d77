"""The settings of events: who gets them, and the journal that they are kept in."""

from dataclasses import dataclass

from voicestt.config import readers as read
from voicestt.config import receivers
from voicestt.config.variable import setting
from voicestt.events import TYPES


@dataclass(frozen=True, kw_only=True)
class DeliverySettings:
    """The settings of events for other processes."""

    events_webhooks: tuple[receivers.Receiver, ...] | None = setting(
        "EVENTS_WEBHOOK_URL",
        None,
        receivers.receivers,
        "Each event is POSTed there, signed as Standard Webhooks has it, at least once, a call's in order. "
        "Several addresses, separated by blanks or commas: each gets every event, however the others fare.",
        secret=True,
    )
    events_webhook_secret: tuple[bytes, ...] | None = setting(
        "EVENTS_WEBHOOK_SECRET",
        None,
        receivers.webhook_secrets,
        "What the POSTs are signed with: `whsec_` and 24 to 64 bytes in base64; while you change it, the new and "
        "the old one with a comma between, and both sign. Never printed. Required with EVENTS_WEBHOOK_URL.",
        secret=True,
    )
    events_webhook_types: tuple[str, ...] = setting(
        "EVENTS_WEBHOOK_TYPES",
        "",
        read.some_of(*TYPES),
        "The types of events that are POSTed, separated by commas (`final,call_ended`); `partial` among them is "
        "EVENTS_WEBHOOK_PARTIALS=true. Not set: all but partials. What waits already is still delivered.",
    )
    events_webhook_partials: bool = setting(
        "EVENTS_WEBHOOK_PARTIALS", "false", read.flag, "Partials are POSTed too."
    )
    events_webhook_batch: int = setting(
        "EVENTS_WEBHOOK_BATCH",
        "1",
        read.number(1, 1_000),
        "More than 1: up to so many events of a call that wait go in one POST, whose body is a JSON array then, "
        "also of one.",
    )
    events_webhook_hours: float = setting(
        "EVENTS_WEBHOOK_HOURS",
        "24",
        read.between(0.001, 720, float, "a number of hours"),
        "An event that fails for so long is dead-lettered: `voicestt deliveries` shows it.",
    )
    events_webhook_order: str = setting(
        "EVENTS_WEBHOOK_ORDER",
        "skip",
        read.one_of("skip", "strict"),
        "What a refused event (4xx but 408, 425, 429) means for its call. `skip`: after five attempts within two "
        "minutes it is dead-lettered and the call goes on; `strict`: the call waits, for EVENTS_WEBHOOK_HOURS.",
    )
    events_webhook_at_once: int = setting(
        "EVENTS_WEBHOOK_AT_ONCE",
        "32",
        read.number(1, 1_000),
        "Calls whose events are POSTed at the same time at most.",
    )
    redis_url: str | None = setting(
        "REDIS_URL",
        None,
        receivers.redis_url,
        "A Redis (extra `redis`) that each event is added to, in the streams `voicestt:events:0`, `…:1`, and on: "
        "`redis://`, `redis+sentinel://` or `redis+cluster://`.",
        secret=True,
    )
    redis_shards: int = setting(
        "REDIS_SHARDS", "4", read.number(1, 256), "How many streams; all events of a call are in the same one."
    )
    redis_maxlen: int = setting(
        "REDIS_MAXLEN",
        "100000",
        read.number(100, 100_000_000),
        "Redis forgets the oldest events of a stream beyond about so many.",
    )
    redis_partials: bool = setting("REDIS_PARTIALS", "true", read.flag, "Partials are added to the streams too.")
    redis_replicas: int = setting(
        "REDIS_REPLICAS",
        "0",
        read.number(0, 9),
        "An event counts as delivered only when so many replicas have it too (WAIT): a primary that dies takes "
        "none along.",
    )
    events_token: str | None = setting(
        "EVENTS_TOKEN",
        None,
        read.header_secret,
        "The bearer token for `GET /events` and `GET /ws/live`, which are closed without one. Never printed.",
        secret=True,
    )
    events_file: str | None = setting(
        "EVENTS_FILE",
        None,
        str,
        "A file that one JSON line is appended to for each event, mode 0600: it holds what callers say.",
    )


@dataclass(frozen=True, kw_only=True)
class JournalSettings:
    """The settings of the journal."""

    journal_url: str = setting(
        "JOURNAL_URL",
        "sqlite:///voicestt-journal.db",
        receivers.journal_url,
        "The database that every event is written to before it is delivered: `sqlite:///FILE`, "
        "`postgresql://…` (extra `postgresql`), or `off`. A password in it is never printed.",
        secret=True,
    )
    journal_days: float = setting(
        "JOURNAL_DAYS",
        "30",
        read.between(0, 36_500, float, "a number of days"),
        "Older calls are deleted; 0: never.",
    )
    journal_redact: str = setting(
        "JOURNAL_REDACT",
        "none",
        read.one_of("none", "numbers", "texts", "all"),
        "What is kept out of the journal: phone numbers, what was said, or both.",
    )
    journal_spill_dir: str | None = setting(
        "JOURNAL_SPILL_DIR",
        None,
        str,
        "The folder where events wait, in files of mode 0600, while the journal's tables are of a newer version "
        "than the server. Not set: that of the SQLite file; with PostgreSQL, the folder that the server is "
        "started in.",
    )
