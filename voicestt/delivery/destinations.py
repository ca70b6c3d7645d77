"""The destinations of events, made from the settings."""

from typing import Any, Final
from urllib.parse import urlsplit

from twisted.logger import Logger

from voicestt.config.receivers import WEBHOOK, Receiver
from voicestt.config.settings import Settings
from voicestt.delivery.deliverer import Deliverer
from voicestt.delivery.redis_streams import RedisStreams
from voicestt.delivery.webhook import Webhook
from voicestt.journal.port import Destination, Outbox

REDIS: Final = "redis"
_HOUR: Final = 3_600.0
_log = Logger()


def is_name(destination: str) -> bool:
    """True if a destination may have this name."""
    return destination in (WEBHOOK, REDIS) or destination.startswith(f"{WEBHOOK}:")


def destinations_of(settings: Settings) -> list[Destination]:
    """Returns all configured destinations, for which the journal keeps events."""
    types = settings.events_webhook_types
    partials = settings.events_webhook_partials or "partial" in types
    destinations = [
        Destination(receiver.name, partials=partials, types=frozenset(types) or None)
        for receiver in settings.events_webhooks or ()
    ]
    if settings.redis_url is not None:
        destinations.append(Destination(REDIS, partials=settings.redis_partials))
    return destinations


def deliverers_of(reactor: Any, settings: Settings, outbox: Outbox) -> list[Deliverer]:
    """Creates a deliverer for each of the `destinations_of` the settings, in their order, none of them started."""
    receivers = {receiver.name: receiver for receiver in settings.events_webhooks or ()}
    if len(receivers) > 1:
        _log.info("Events go to several webhooks: {names}.", names=", ".join(map(_shown, receivers.values())))
    return [
        _to_redis(reactor, settings, outbox, each)
        if each.name == REDIS
        else _to_webhook(reactor, settings, outbox, each, receivers[each.name])
        for each in destinations_of(settings)
    ]


def _shown(receiver: Receiver) -> str:
    return f"{receiver.name} is at {urlsplit(receiver.url).netloc}"


def _to_webhook(
    reactor: Any, settings: Settings, outbox: Outbox, destination: Destination, receiver: Receiver
) -> Deliverer:
    keys = settings.events_webhook_secret
    assert keys is not None  # noqa: S101 - the settings were checked
    at_once, batch = settings.events_webhook_at_once, settings.events_webhook_batch
    webhook = Webhook(reactor, receiver.url, keys, name=receiver.name, at_once=at_once, batch=batch)
    return Deliverer(
        reactor,
        outbox,
        destination,
        webhook,
        patience=settings.events_webhook_hours * _HOUR,
        is_strict=settings.events_webhook_order == "strict",
    )


def _to_redis(reactor: Any, settings: Settings, outbox: Outbox, destination: Destination) -> Deliverer:
    assert settings.redis_url is not None  # noqa: S101 - it is a destination
    redis = RedisStreams(
        reactor,
        settings.redis_url,
        shards=settings.redis_shards,
        maxlen=settings.redis_maxlen,
        replicas=settings.redis_replicas,
    )
    # Redis has nothing against one event and not another: none is dead-lettered for its being down.
    return Deliverer(reactor, outbox, destination, redis)
