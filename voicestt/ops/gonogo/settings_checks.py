"""Checks of this environment's variables, and that the running server has the same.

PUBLIC_HOST must be no name for development, which no live telephone number may depend on.
"""

import ipaddress
import json
import secrets
from typing import Any

import google.auth
from google.auth.exceptions import GoogleAuthError

from voicestt.config import digests
from voicestt.config.env_file import FLAG, EnvironmentFile
from voicestt.config.settings import BadSettings, Settings, variables
from voicestt.emulators.twilio.signatures import signed_headers
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.report import (
    Found,
    failed,
    ok,
    skipped,
)
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.web import (
    NoAnswer,
    Reply,
    ask,
    in_thread,
)
from voicestt.runtime.google_auth import load_key
from voicestt.twilio import twiml

READ, SIGNED, KEY, SAME = "settings.read", "settings.signed", "settings.key", "settings.same"

# A platform gives each process its own port; nothing that a caller notices depends on it.
_OF_THE_PLACE = frozenset({"PORT"})


def settings_checks(context: RunContext) -> list[Check]:
    """Make the checks that need nothing to run."""
    return [
        Check(READ, "every variable can be used", lambda: _read(context)),
        Check(
            "settings.host",
            "PUBLIC_HOST is no development name",
            lambda: _host(context),
            needs=(READ,),
            twilio=11200,
        ),
        Check(SIGNED, "only Twilio's signed requests are taken", lambda: _signed(context), needs=(READ,)),
        Check(KEY, "Google's key can be loaded", lambda: _key(context), needs=(READ,)),
    ]


def same_settings_check(context: RunContext, *needs: str) -> Check:
    """Make the check that the server, once it answers, has the same settings."""
    title = "the server runs with these very settings"
    return Check(SAME, title, lambda: _same(context), needs=(READ, SIGNED, *needs))


async def _read(context: RunContext) -> Found:
    try:
        context.environ = EnvironmentFile(
            context.environ.get("VOICESTT_ENV_FILE"), context.environ, {}
        ).variables()
        context.read_settings = Settings.from_environment(context.environ)
    except BadSettings as bad:
        return failed(
            f"{len(bad.problems)} cannot",
            "; ".join(problem.rstrip(".") for problem in bad.problems) + ". The server does not start so.",
        )
    set_here = sum(1 for variable in variables() if context.environ.get(variable.name, "").strip())
    return ok(f"{len(variables())} variables, {set_here} of them set")


async def _host(context: RunContext) -> Found:
    why = why_not_public(context.host)
    if why is None:
        return ok(context.host)
    advice = f"That is {why}. Set PUBLIC_HOST to the name in the Twilio console that the live number will use."
    return failed(context.host, advice)


async def _signed(context: RunContext) -> Found:
    if context.settings.twilio_validate and context.settings.twilio_auth_token is not None:
        return ok("TWILIO_VALIDATE=true")
    advice = "Anybody who finds this server can make calls to it. Set TWILIO_AUTH_TOKEN and TWILIO_VALIDATE=true."
    return failed("TWILIO_VALIDATE=false", advice)


async def _key(context: RunContext) -> Found:
    settings = context.settings
    if settings.engine == "embedded":
        return ok("none is needed: STT_ENGINE=embedded")
    if settings.insecure:
        return ok("none is needed: GCP_STT_INSECURE=true")
    try:
        kind, project = await in_thread(context.reactor, lambda: _load(settings))
    except BadSettings as bad:
        return failed("it cannot be loaded", bad.problems[0] + ".")
    except GoogleAuthError as problem:
        # Google's own words may quote what they were given.
        advice = (
            "Put Google's key into GOOGLE_APPLICATION_CREDENTIALS: the path, the JSON itself, or that in base64."
        )
        return failed(f"there is none ({type(problem).__name__})", advice)
    return ok(f"{kind}, project {project or 'not named in it'}")


def _load(settings: Settings) -> tuple[str, str | None]:
    """Load the key and return its kind and project. Blocks: the machine's metadata server may be asked."""
    key = settings.credentials
    if key is not None:
        load_key(key)
        return key.kind, key.project
    found: Any
    found, project = google.auth.default()
    return f"this machine's default, {type(found).__name__}", project


async def _same(context: RunContext) -> Found:
    nonce = secrets.token_hex(16)
    settings, token = _expected(context), next(iter(context.settings.twilio_auth_tokens), "")
    form = {digests.NONCE: nonce}
    headers = signed_headers(token, twiml.webhook_url(context.host, digests.PATH), form)
    try:
        reply = await ask(context.reactor, context.url + digests.PATH, context.host, form, headers)
    except NoAnswer as problem:
        return failed(str(problem), "The server went away meanwhile: see its log.")
    if reply.status != 200:
        return _no_digests(reply)
    try:
        names = digests.differing(settings, token, nonce, json.loads(reply.body))
    except (ValueError, AttributeError):
        return failed("no digests came", "Something else than this server answers there: see the proxy before it.")
    return _compared(context, [name for name in names if name not in _OF_THE_PLACE])


def _expected(context: RunContext) -> Settings:
    return context.settings if context.server is None else Settings.from_environment(context.server.environ)


def _no_digests(reply: Reply) -> Found:
    if reply.status == 403:
        advice = (
            "The running server's TWILIO_AUTH_TOKEN or PUBLIC_HOST is not this environment's: set both here "
            "as they are there, or correct them there. A server with TWILIO_VALIDATE=false answers nobody."
        )
        return failed("403: another token or name", advice, 11200)
    if reply.status == 404:
        return skipped("404: it cannot say", "An older voicestt runs there: deploy this version, then try again.")
    return failed(f"answered with {reply.status}", "See the log of the server and of the proxy before it.")


def _compared(context: RunContext, names: list[str]) -> Found:
    if not names:
        return ok("equal, by a digest each")
    whose = "the deployment's" if context.where is Where.PUBLIC else "the running server's"
    advice = f"Make this environment and {whose} equal and restart it, or you prove the wrong thing."
    if FLAG in names:
        advice += " The flag may have been turned while it runs: `voicestt flag show` there."
    return failed(f"differ: {', '.join(names)}", advice)


_TUNNEL = "a tunnel's name: it ends or changes with the program that opened it"
_DESK = "a development machine's name: it sleeps or changes when nobody works on it"
_HERE = "a name that only this machine or its own network knows"
_BOOK = "a name for documentation that belongs to nobody"

_ENDINGS = {
    # Replit: a workspace's own domain (replit.dev, repl.co); a deployment has replit.app or a domain of its own.
    "replit.dev": _DESK,
    "repl.co": _DESK,
    "repl.run": _DESK,
    "gitpod.io": _DESK,
    "github.dev": _DESK,
    "githubpreview.dev": _DESK,
    "csb.app": _DESK,
    "stackblitz.io": _DESK,
    "webcontainer.io": _DESK,
    "cloudshell.dev": _DESK,
    "cloud9.amazonaws.com": _DESK,
    "vusercontent.net": _DESK,
    "ngrok.io": _TUNNEL,
    "ngrok.app": _TUNNEL,
    "ngrok.dev": _TUNNEL,
    "ngrok-free.app": _TUNNEL,
    "ngrok-free.dev": _TUNNEL,
    "trycloudflare.com": _TUNNEL,
    "loca.lt": _TUNNEL,
    "localtunnel.me": _TUNNEL,
    "serveo.net": _TUNNEL,
    "localhost.run": _TUNNEL,
    "lhr.life": _TUNNEL,
    "lhrtunnel.link": _TUNNEL,
    "devtunnels.ms": _TUNNEL,
    "pagekite.me": _TUNNEL,
    "pinggy.io": _TUNNEL,
    "pinggy.link": _TUNNEL,
    "bore.pub": _TUNNEL,
    "telebit.io": _TUNNEL,
    "tunnelmole.net": _TUNNEL,
    "zrok.io": _TUNNEL,
    "ts.net": _TUNNEL,
    "localhost": _HERE,
    "localdomain": _HERE,
    "local": _HERE,
    "internal": _HERE,
    "lan": _HERE,
    "home.arpa": _HERE,
    "test": _BOOK,
    "invalid": _BOOK,
    "example": _BOOK,
    "example.com": _BOOK,
    "example.org": _BOOK,
    "example.net": _BOOK,
}


def why_not_public(public_host: str) -> str | None:
    """Say why a live number must not depend on `public_host` (port allowed); None where it may.

    Sources: RFC 2606 and RFC 6761 (reserved names), and the services' documentation of the names they hand out.
    """
    host = public_host.rpartition(":")[0] if public_host.rpartition(":")[2].isdecimal() else public_host
    host = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return (
            "an address of a private network"
            if not address.is_global
            else "a bare address: no certificate fits it"
        )
    if "." not in host and host not in _ENDINGS:
        return _HERE
    labels = host.split(".")
    endings = (".".join(labels[at:]) for at in range(len(labels)))
    return next((_ENDINGS[ending] for ending in endings if ending in _ENDINGS), None)
