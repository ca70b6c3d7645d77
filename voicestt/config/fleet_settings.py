"""The settings of several processes that are one service."""

from dataclasses import dataclass

from voicestt.config import readers as read
from voicestt.config import receivers
from voicestt.config.variable import setting

NO_FLEET = "off"


@dataclass(frozen=True, kw_only=True)
class FleetSettings:
    """The settings of several processes that are one service."""

    fleet_redis_url: str | None = setting(
        "FLEET_REDIS_URL",
        None,
        receivers.fleet_redis_url,
        "The Redis (extra `redis`) by which the processes of the service know of each other, in the forms of "
        "REDIS_URL. Not set: REDIS_URL is used, if that is set; `off`: no fleet.",
        secret=True,
    )
    google_streams: int | None = setting(
        "GCP_STT_STREAMS",
        None,
        read.number(1, 1_000_000),
        "How many calls may be streamed to Google at the same time, in all processes of the fleet together "
        "(without a fleet: in this server, an even share for each of its workers). A call that finds none left "
        "begins with one request per utterance, and streams when one is free. Not set: any number.",
    )
