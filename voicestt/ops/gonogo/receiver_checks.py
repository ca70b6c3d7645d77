"""Checks of the receivers of events, webhooks and Redis. No event is sent by these checks."""

import socket
import time
from typing import Any
from urllib.parse import urlsplit

from voicestt.config.readers import is_loopback
from voicestt.delivery.destinations import destinations_of
from voicestt.ops.gonogo.application_checks import Health, health_of
from voicestt.ops.gonogo.call_checks import ELSEWHERE, STAYS
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.redis_checks import redis_found
from voicestt.ops.gonogo.report import (
    CheckOutcome,
    Found,
    failed,
    ok,
    unseen,
)
from voicestt.ops.gonogo.scene import RunContext, Where
from voicestt.ops.gonogo.settings_checks import READ
from voicestt.ops.gonogo.web import (
    certificate_of,
    days_left,
    in_thread,
    words_of,
)

_SECONDS = 5.0
_FEWEST_DAYS = 7
_DELIVERY_SECONDS, _LOOK_SECONDS = 10.0, 0.5
_OF_EACH_CALL = ("call_started", "call_ended")


def receiver_checks(scene: RunContext) -> list[Check]:
    """Makes the checks that need no server."""
    return [
        Check("webhook.reached", "the webhook's receiver can be reached", lambda: _webhook(scene), (READ,)),
        Check("redis.answers", "Redis takes streams", lambda: redis_found(scene), (READ,)),
    ]


def delivery_check(scene: RunContext) -> Check:
    """Makes the check of deliveries after the call; it needs a server that delivers."""
    return Check("delivery.arrives", "events arrive where they are delivered", lambda: _arrives(scene), (STAYS,))


async def _webhook(scene: RunContext) -> Found:
    receivers = scene.settings.events_webhooks
    if receivers is None:
        return ok("there is none: EVENTS_WEBHOOK_URL is not set")
    if scene.where is Where.PUBLIC:
        return unseen("not seen from outside", ELSEWHERE)
    found = [await _reached(scene, receiver.url) for receiver in receivers]
    for each in found:
        if each.outcome is not CheckOutcome.OK:
            return each
    return ok("; ".join(each.figure for each in found), " ".join(filter(None, (each.advice for each in found))))


async def _reached(scene: RunContext, url: str) -> Found:
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    try:
        certificate = await in_thread(scene.reactor, lambda: _knock(host, port, is_tls))
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
    """Warns of http to HOST:PORT; "" where it stays on this machine."""
    return "" if is_loopback(endpoint) else "http is not encrypted, and callers' words go by it: use https."


def _knock(host: str, port: int, is_tls: bool) -> Any:
    if is_tls:
        return certificate_of(host, port, _SECONDS)
    socket.create_connection((host, port), timeout=_SECONDS).close()
    return None


async def _arrives(scene: RunContext) -> Found:
    settings = scene.settings
    names = [each.name for each in destinations_of(settings) if any(map(each.wants, _OF_EACH_CALL))]
    if not names:
        return ok("nothing of every call is to be delivered")
    if scene.server is not None:
        return unseen(
            "the server started for this delivers nothing", "--against and --public see it of one in use."
        )
    figures = []
    for name in names:
        health = await _health_when_delivered(scene, name)
        if health is None:
            return failed(f"{name}: the server does not tell", "Is it an older voicestt? Deploy this version.")
        if health["is_down"] or not health["delivered"]:
            return _does_not_arrive(name, health)
        figures.append(f"{name}: {health['delivered']}")
    return ok(", ".join(figures) + " since its start")


async def _health_when_delivered(scene: RunContext, name: str) -> Health | None:
    """Waits until a delivery to the destination arrived or it is down, and reads its health."""
    give_up = scene.monotonic() + _DELIVERY_SECONDS
    while True:
        health = await health_of(scene, name)
        if health is None or health["delivered"] or health["is_down"] or scene.monotonic() > give_up:
            return health
        await scene.rest(_LOOK_SECONDS)


def _does_not_arrive(name: str, health: Health) -> Found:
    figure = f"{name}: {health['delivered']} arrived, {health['failed_attempts']} attempts failed"
    advice = (
        "The running server's log says why, and `voicestt deliveries`: see the receiver's own log, and whether "
        "its address and secret are right. What waits is not lost."
    )
    return failed(figure, advice)
