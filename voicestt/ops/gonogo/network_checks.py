"""Checks of the way to the server: its start, or its name and certificate, and its answer."""

import json
import socket
import time

from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.report import Found, failed, ok
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.settings_checks import READ
from voicestt.ops.gonogo.started import ServerNotStarted, StartedServer
from voicestt.ops.gonogo.web import (
    NoAnswer,
    ask,
    certificate_of,
    days_left,
    in_thread,
    words_of,
)
from voicestt.twilio import twiml

ANSWERS = "server.answers"
_STARTS, _DNS, _TLS = "server.starts", "server.dns", "server.tls"
_FEWEST_DAYS = 7
_START_SECONDS = 130.0


def network_checks(context: RunContext) -> list[Check]:
    """Make the checks for the kind of server that is examined."""
    start = Check(_STARTS, "the server starts", lambda: _start(context), (READ,), seconds=_START_SECONDS)
    name = Check(_DNS, "PUBLIC_HOST has an address", lambda: _dns(context), (READ,), 11200)
    tls = Check(_TLS, "its TLS certificate is good", lambda: _tls(context), (READ, _DNS), 31910)
    before = {Where.STARTED: [start], Where.AGAINST: [], Where.PUBLIC: [name, tls]}[context.where]
    needs = (READ, *(check.key for check in before))
    return [*before, Check(ANSWERS, "the server answers", lambda: _answers(context), needs, 11200)]


async def _start(context: RunContext) -> Found:
    server = StartedServer(context.reactor, context.folder / "server", context.environ)
    context.leftovers.append(server.stop)
    began = context.monotonic()
    try:
        await server.start()
    except ServerNotStarted as problem:
        return failed("it does not", f"{problem} Correct what it says, then try again.")
    context.server = server
    return ok(f"port {server.port}, in {context.monotonic() - began:.1f} s")


def _host_and_port(context: RunContext) -> tuple[str, int]:
    host, _, port = context.host.rpartition(":")
    return (host, int(port)) if host else (context.host, 443)


async def _dns(context: RunContext) -> Found:
    host, port = _host_and_port(context)
    try:
        found = await in_thread(context.reactor, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as problem:
        return failed(
            words_of(problem), f"Make a DNS record for {host} that points to the server, and wait for it."
        )
    return ok(", ".join(sorted({str(entry[4][0]) for entry in found})[:3]))


async def _tls(context: RunContext) -> Found:
    host, port = _host_and_port(context)
    try:
        certificate = await in_thread(context.reactor, lambda: certificate_of(host, port))
    except (OSError, ValueError) as problem:
        advice = (
            f"Twilio takes no other than a valid certificate for {host}, with its whole chain: renew it, or put "
            "the intermediate certificates into the server's file."
        )
        return failed(words_of(problem), advice)
    days = days_left(certificate, time.time())
    if days < _FEWEST_DAYS:
        return failed(f"{days:.0f} days left", "Renew the certificate now: calls end the moment it has expired.")
    return ok(f"{days:.0f} days left")


async def _answers(context: RunContext) -> Found:
    try:
        reply = await ask(context.reactor, context.url + twiml.HEALTH, context.host)
    except NoAnswer as problem:
        return failed(str(problem), f"Is the server running, and does the way to {context.url} lead to it?")
    try:
        health = json.loads(reply.body)
        status, version = health["status"], health["version"]
    except (ValueError, KeyError, TypeError):
        advice = f"Something else answers at {context.url}: correct the proxy, or PUBLIC_HOST."
        return failed(f"{reply.status}, and it is not voicestt", advice)
    if status != "ok":
        return failed(f"it says {status!r}", "The server is stopping or starting: wait, then try again.")
    return ok(f"voicestt {version}, {reply.seconds * 1000:.0f} ms")
