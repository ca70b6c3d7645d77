"""Checks Redis, alone, behind Sentinel or a cluster, by its own INFO. No event is sent by these checks."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from voicestt.config.redis_address import redis_address
from voicestt.delivery.redis_servers import (
    Servers,
    open_servers,
    redis_failures,
    stream_name,
    words_of,
)
from voicestt.delivery.redis_watch import eviction_risk
from voicestt.ops.gonogo.call_checks import ELSEWHERE
from voicestt.ops.gonogo.report import (
    CheckOutcome,
    Found,
    failed,
    ok,
    unseen,
)
from voicestt.ops.gonogo.scene import RunContext, Where
from voicestt.ops.gonogo.web import in_thread

_SECONDS = 5.0
_OLDEST_REDIS = 5


async def redis_found(scene: RunContext) -> Found:
    """Checks that the Redis of the settings, or each of its servers that keeps streams, takes events."""
    settings = scene.settings
    url = settings.redis_url
    if url is None:
        return ok("there is none: REDIS_URL is not set")
    if scene.where is Where.PUBLIC:
        return unseen("not seen from outside", ELSEWHERE)
    try:
        return await in_thread(
            scene.reactor, lambda: _ask_redis(url, settings.redis_shards, settings.redis_replicas)
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
        return failed(words_of(problem, address), advice)


def _each(servers: Servers, streams: Sequence[str]) -> Sequence[tuple[Any, str]]:
    """Lists each server that keeps streams, with the first of them."""
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
    """Picks the finding of several servers that matters most: a failure, else one with advice."""
    worst = next((found for found in founds if found.outcome is CheckOutcome.FAILED), None)
    worst = worst or next((found for found in founds if found.advice), founds[0])
    several = f"{len(founds)} servers with streams: " * (len(founds) > 1)
    return replace(worst, figure=several + worst.figure)


def _about(client: Any) -> dict[str, Any]:
    """Reads INFO; empty where the user may not ask for it."""
    from redis import ResponseError  # noqa: PLC0415 - an extra

    try:
        about: dict[str, Any] = client.info()
    except ResponseError:
        return {}
    return about


def judged_redis(about: dict[str, Any], replicas: int = 0) -> Found:
    """Judges by INFO whether Redis can keep streams and has `replicas` replicas."""
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
