"""Checks of the receivers of events: webhooks, and Redis by its own INFO. No event is sent by these checks."""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from voicestt.config.numbers_file import NumbersFile, load_numbers
from voicestt.config.readers import is_loopback
from voicestt.config.redis_address import redis_address
from voicestt.config.settings import Settings
from voicestt.delivery.destinations import destinations_of
from voicestt.delivery.redis_streams import stream_name
from voicestt.delivery.redis_watch import eviction_risk
from voicestt.emulators.twilio.webhook_forms import CALLED
from voicestt.ops.gonogo.application_checks import Health, health_of
from voicestt.ops.gonogo.call_checks import ELSEWHERE, STAYS
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.report import (
    CheckOutcome,
    Found,
    failed,
    ok,
    unseen,
)
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.settings_checks import READ
from voicestt.ops.gonogo.web import (
    certificate_of,
    days_left,
    in_thread,
    words_of,
)
from voicestt.runtime.redis_servers import Servers, open_servers, redis_failures
from voicestt.runtime.redis_servers import words_of as redis_words_of

_SECONDS = 5.0
_FEWEST_DAYS = 7
_DELIVERY_SECONDS, _LOOK_SECONDS = 10.0, 0.5
_OF_EACH_CALL = ("call_started", "call_ended")


def receiver_checks(context: RunContext) -> list[Check]:
    """Make the checks that need no server."""
    return [
        Check("webhook.reached", "the webhook's receiver can be reached", lambda: _webhook(context), (READ,)),
        Check("redis.answers", "Redis takes streams", lambda: redis_found(context), (READ,)),
    ]


def delivery_check(context: RunContext) -> Check:
    """Make the check of deliveries after the call; it needs a server that delivers."""
    return Check("delivery.arrives", "events arrive where they are delivered", lambda: _arrives(context), (STAYS,))


async def _webhook(context: RunContext) -> Found:
    receivers = context.settings.events_webhooks
    if receivers is None:
        return ok("there is none: EVENTS_WEBHOOK_URL is not set")
    if context.where is Where.PUBLIC:
        return unseen("not seen from outside", ELSEWHERE)
    found = [await _reached(context, receiver.url) for receiver in receivers]
    for each in found:
        if each.outcome is not CheckOutcome.OK:
            return each
    return ok("; ".join(each.figure for each in found), " ".join(filter(None, (each.advice for each in found))))


async def _reached(context: RunContext, url: str) -> Found:
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    try:
        certificate = await in_thread(context.reactor, lambda: _knock(host, port, is_tls))
    except (OSError, ValueError) as problem:
        advice = (
            f"Is the receiver running, and the way to {host}:{port} open from this machine? Events wait for it."
        )
        return failed(words_of(problem, _SECONDS), advice)
    if certificate is None:
        return ok(f"{host}:{port}", unencrypted(f"{host}:{port}"))
    days = days_left(certificate, time.time())
    soon = "Its certificate is to be renewed: from then on nothing is delivered." * (days < _FEWEST_DAYS)
    return ok(f"{host}:{port}, certificate for {days:.0f} days", soon)


def unencrypted(endpoint: str) -> str:
    """Warn of http to HOST:PORT; "" where it stays on this machine."""
    return "" if is_loopback(endpoint) else "http is not encrypted, and callers' words go by it: use https."


def _knock(host: str, port: int, is_tls: bool) -> Any:
    if is_tls:
        return certificate_of(host, port, _SECONDS)
    socket.create_connection((host, port), timeout=_SECONDS).close()
    return None


async def _arrives(context: RunContext) -> Found:
    settings = context.settings
    names = list(_awaited(settings))
    if not names:
        return ok("nothing of every call is to be delivered")
    if context.server is not None:
        return unseen(
            "the server started for this delivers nothing", "--against and --public see it of one in use."
        )
    figures = []
    for name in names:
        health = await _health_when_delivered(context, name)
        if health is None:
            return failed(f"{name}: the server does not tell", "Is it an older voicestt? Deploy this version.")
        if health["is_down"] or not health["delivered"]:
            return _does_not_arrive(name, health)
        figures.append(f"{name}: {health['delivered']}")
    return ok(", ".join(figures) + " since its start")


def _awaited(settings: Settings) -> Iterator[str]:
    """Yield the destinations that get something of the trial's call, whose number the server may not know."""
    numbers = NumbersFile() if settings.numbers_file is None else load_numbers(settings.numbers_file)
    chosen = [numbers.plan_of(each).webhook for each in (CALLED, None)]
    addresses = [None if each is None else frozenset(each) for each in chosen]
    for each in destinations_of(settings):
        if all(any(each.takes(kind, address) for kind in _OF_EACH_CALL) for address in addresses):
            yield each.name


async def _health_when_delivered(context: RunContext, name: str) -> Health | None:
    """Wait until a delivery to the destination arrived or it is down, and read its health."""
    give_up = context.monotonic() + _DELIVERY_SECONDS
    while True:
        health = await health_of(context, name)
        if health is None or health["delivered"] or health["is_down"] or context.monotonic() > give_up:
            return health
        await context.rest(_LOOK_SECONDS)


def _does_not_arrive(name: str, health: Health) -> Found:
    figure = f"{name}: {health['delivered']} arrived, {health['failed_attempts']} attempts failed"
    advice = (
        "The running server's log says why, and `voicestt deliveries`: see the receiver's own log, and whether "
        "its address and secret are right. What waits is not lost."
    )
    return failed(figure, advice)


_OLDEST_REDIS = 5


async def redis_found(context: RunContext) -> Found:
    """Check that the Redis of the settings, or each of its servers that keeps streams, takes events."""
    settings = context.settings
    url = settings.redis_url
    if url is None:
        return ok("there is none: REDIS_URL is not set")
    if context.where is Where.PUBLIC:
        return unseen("not seen from outside", ELSEWHERE)
    try:
        return await in_thread(
            context.reactor, lambda: _ask_redis(url, settings.redis_shards, settings.redis_replicas)
        )
    except ImportError:
        return failed("its library is not installed", "pip install '.[redis]' in voicestt's folder")


def _ask_redis(url: str, shards: int, replicas: int) -> Found:
    address = redis_address(url)
    try:
        servers = open_servers(address, _SECONDS, _SECONDS)
    except (ValueError, TypeError):
        return failed("REDIS_URL cannot be used", "See README, Redis Streams, for its forms and options.")
    in_cluster = address.kind == "cluster"
    streams = [stream_name(shard, in_cluster=in_cluster) for shard in range(shards)]
    try:
        with closing(servers):
            return _worst([_ask_server(server, stream, replicas) for server, stream in _each(servers, streams)])
    except redis_failures() as problem:
        advice = "Is Redis running, and reachable from this machine? Is the password in REDIS_URL right?"
        return failed(redis_words_of(problem, address), advice)


def _each(servers: Servers, streams: Sequence[str]) -> Sequence[tuple[Any, str]]:
    """List each server that keeps streams, with the first of them."""
    found: dict[Any, str] = {}
    for stream in streams:
        found.setdefault(servers.of(stream), stream)
    return list(found.items())


def _ask_server(server: Any, stream: str, replicas: int) -> Found:
    server.ping()
    kind = server.type(stream)
    if kind not in {b"none", b"stream"}:
        return failed(
            f"{stream} is a {kind.decode()}", "Something else uses that name: give REDIS_URL another /NUMBER."
        )
    return judged_redis(_about(server), replicas)


def _worst(founds: Sequence[Found]) -> Found:
    """Pick the finding of several servers that matters most: a failure, else one with advice."""
    worst = next((found for found in founds if found.outcome is CheckOutcome.FAILED), None)
    worst = worst or next((found for found in founds if found.advice), founds[0])
    several = f"{len(founds)} servers with streams: " * (len(founds) > 1)
    return replace(worst, figure=several + worst.figure)


def _about(client: Any) -> dict[str, Any]:
    """Read INFO; empty where the user may not ask for it."""
    from redis import ResponseError  # noqa: PLC0415 - an extra

    try:
        about: dict[str, Any] = client.info()
    except ResponseError:
        return {}
    return about


def judged_redis(about: dict[str, Any], replicas: int = 0) -> Found:
    """Judge by INFO whether Redis can keep streams and has `replicas` replicas."""
    version = str(about.get("redis_version", ""))
    policy = str(about.get("maxmemory_policy", ""))
    if not version:
        return ok(
            "it answers", "What it is was not to be seen (INFO): it should be 5.0 or later, and evict nothing."
        )
    if version.partition(".")[0].isdecimal() and int(version.partition(".")[0]) < _OLDEST_REDIS:
        return failed(f"Redis {version}", "It has no streams: they came with 5.0.")
    if about.get("role") == "slave":
        return failed(
            f"Redis {version}, a replica", "It can only be read: REDIS_URL must name the one it follows."
        )
    connected = about.get("connected_slaves", replicas)
    if connected < replicas:
        return failed(
            f"Redis {version} with {connected} replicas",
            f"REDIS_REPLICAS={replicas}: no event counts as delivered until so many have it.",
        )
    if risk := eviction_risk(about):
        return ok(f"Redis {version}, maxmemory-policy {policy}", f"{risk} CONFIG SET maxmemory-policy noeviction.")
    return ok(f"Redis {version}, {policy or 'policy not to be seen'}")
