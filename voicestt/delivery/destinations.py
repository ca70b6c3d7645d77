"""Where events go, by the settings."""

from typing import Any, Final

from voicestt.delivery.deliverer import Deliverer
from voicestt.delivery.redis_streams import RedisStreams
from voicestt.delivery.webhook import Webhook
from voicestt.journal.port import Destination, Outbox
from voicestt.settings import Settings

WEBHOOK: Final = "webhook"
REDIS: Final = "redis"
NAMES: Final = (WEBHOOK, REDIS)
_HOUR: Final = 3_600.0


def destinations_of(settings: Settings) -> list[Destination]:
    """Every destination that is set. The journal keeps events for these."""
    destinations = []
    if settings.events_webhook_url is not None:
        destinations.append(_webhook_destination(settings, WEBHOOK))
    if settings.redis_url is not None:
        destinations.append(Destination(REDIS, partials=settings.redis_partials))
    return destinations


def deliverers_of(reactor: Any, settings: Settings, outbox: Outbox) -> list[Deliverer]:
    """A deliverer for each of the `destinations_of` the settings, in their order, none of them started."""
    return [_deliverer(reactor, settings, outbox, each) for each in destinations_of(settings)]


def _webhook_destination(settings: Settings, name: str) -> Destination:
    types = settings.events_webhook_types
    partials = settings.events_webhook_partials or "partial" in types
    return Destination(name, partials=partials, types=frozenset(types) or None)


def _deliverer(reactor: Any, settings: Settings, outbox: Outbox, destination: Destination) -> Deliverer:
    if destination.name == WEBHOOK:
        patience = settings.events_webhook_hours * _HOUR
        return Deliverer(
            reactor,
            outbox,
            destination,
            _webhook(reactor, settings),
            patience=patience,
            is_strict=settings.events_webhook_order == "strict",
        )
    # Redis has nothing against one event and not another: none is laid aside for its being down.
    return Deliverer(reactor, outbox, destination, _redis(reactor, settings))


def _webhook(reactor: Any, settings: Settings) -> Webhook:
    url, keys = settings.events_webhook_url, settings.events_webhook_secret
    assert url is not None  # noqa: S101 - it is a destination
    assert keys is not None  # noqa: S101 - the settings were checked
    at_once, batch = settings.events_webhook_at_once, settings.events_webhook_batch
    return Webhook(reactor, url, keys, at_once=at_once, batch=batch)


def _redis(reactor: Any, settings: Settings) -> RedisStreams:
    assert settings.redis_url is not None  # noqa: S101 - it is a destination
    return RedisStreams(reactor, settings.redis_url, shards=settings.redis_shards, maxlen=settings.redis_maxlen)
