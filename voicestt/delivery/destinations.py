"""The destinations of events, made from the settings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol
from urllib.parse import urlsplit

from twisted.logger import Logger

from voicestt.config.receivers import WEBHOOK, Receiver
from voicestt.config.settings import Settings
from voicestt.delivery.deliverer import Deliverer
from voicestt.delivery.redis_streams import RedisStreams
from voicestt.delivery.sender import EventSender
from voicestt.delivery.webhook import Webhook
from voicestt.journal.port import Destination, Outbox
from voicestt.runtime.reactor import FullReactor

REDIS: Final = "redis"
_HOUR: Final = 3_600.0
_log = Logger()


def is_name(destination: str) -> bool:
    """Return True if a destination may have this name."""
    return destination in (WEBHOOK, REDIS) or destination.startswith(f"{WEBHOOK}:")


def destinations_of(settings: Settings) -> list[Destination]:
    """Return all configured destinations, for which the journal keeps events."""
    types = settings.events_webhook_types
    partials = settings.events_webhook_partials or "partial" in types
    destinations = [
        Destination(receiver.name, partials=partials, types=frozenset(types) or None, is_receiver=True)
        for receiver in settings.events_webhooks or ()
    ]
    if settings.redis_url is not None:
        destinations.append(Destination(REDIS, partials=settings.redis_partials))
    return destinations


class DeliveryTracing(Protocol):
    """Makes the spans of deliveries (`voicestt.tracing.port`)."""

    def sender(self, sender: EventSender, destination: str) -> EventSender:
        """Wrap the sender of a destination."""
        ...

    def headers(self) -> Mapping[str, str]:
        """Make the headers of a request that is part of the current span."""
        ...


def deliverers_of(
    reactor: FullReactor, settings: Settings, outbox: Outbox, tracing: DeliveryTracing | None = None
) -> list[Deliverer]:
    """Create a deliverer for each of the `destinations_of` the settings, in their order, none of them started."""
    senders = dict(_senders(reactor, settings, dict if tracing is None else tracing.headers))
    if tracing is not None:
        senders = {name: tracing.sender(sender, name) for name, sender in senders.items()}
    return [_deliverer(reactor, settings, outbox, each, senders[each.name]) for each in destinations_of(settings)]


def _senders(
    reactor: FullReactor, settings: Settings, trace_headers: Callable[[], Mapping[str, str]]
) -> Iterator[tuple[str, EventSender]]:
    """Yield the sender of each destination, by its name."""
    receivers, keys = settings.events_webhooks or (), settings.events_webhook_secret
    if len(receivers) > 1:
        _log.info("Events go to several webhooks: {names}.", names=", ".join(map(_shown, receivers)))
    if keys is not None:  # there are no receivers without
        for receiver in receivers:
            yield receiver.name, _webhook(reactor, settings, receiver, keys, trace_headers)
    if settings.redis_url is not None:
        yield REDIS, _redis(reactor, settings, settings.redis_url)


def _shown(receiver: Receiver) -> str:
    return f"{receiver.name} is at {urlsplit(receiver.url).netloc}"


def _webhook(
    reactor: FullReactor,
    settings: Settings,
    receiver: Receiver,
    keys: Sequence[bytes],
    trace_headers: Callable[[], Mapping[str, str]],
) -> Webhook:
    at_once, batch = settings.events_webhook_at_once, settings.events_webhook_batch
    return Webhook(
        reactor,
        receiver.url,
        keys,
        name=receiver.name,
        at_once=at_once,
        batch=batch,
        trace_headers=trace_headers,
    )


def _redis(reactor: FullReactor, settings: Settings, url: str) -> RedisStreams:
    return RedisStreams(
        reactor,
        url,
        shards=settings.redis_shards,
        maxlen=settings.redis_maxlen,
        replicas=settings.redis_replicas,
    )


def _deliverer(
    reactor: FullReactor, settings: Settings, outbox: Outbox, destination: Destination, sender: EventSender
) -> Deliverer:
    if destination.name == REDIS:
        # Redis has nothing against one event and not another: none is dead-lettered for its being down.
        return Deliverer(reactor, outbox, destination, sender)
    hours, order = settings.events_webhook_hours, settings.events_webhook_order
    is_strict = order == "strict"
    return Deliverer(reactor, outbox, destination, sender, patience=hours * _HOUR, is_strict=is_strict)
