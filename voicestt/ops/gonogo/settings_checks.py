"""Checks of this environment's variables, and that the running server has the same."""

import json
import secrets
from typing import Any

import google.auth
from google.auth.exceptions import GoogleAuthError

from voicestt.config import digests
from voicestt.config.env_file import FLAG, EnvironmentFile
from voicestt.config.settings import BadSettings, Settings, variables
from voicestt.emulators.twilio.signatures import signed_headers
from voicestt.ops.gonogo.development_hosts import why_not_public
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.report import (
    Found,
    failed,
    ok,
    skipped,
)
from voicestt.ops.gonogo.scene import RunContext, Where
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


def settings_checks(scene: RunContext) -> list[Check]:
    """Makes the checks that need nothing to run."""
    return [
        Check(READ, "every variable can be used", lambda: _read(scene)),
        Check(
            "settings.host",
            "PUBLIC_HOST is no development name",
            lambda: _host(scene),
            needs=(READ,),
            twilio=11200,
        ),
        Check(SIGNED, "only Twilio's signed requests are taken", lambda: _signed(scene), needs=(READ,)),
        Check(KEY, "Google's key can be loaded", lambda: _key(scene), needs=(READ,)),
    ]


def same_settings_check(scene: RunContext, *needs: str) -> Check:
    """Makes the check that the server, once it answers, has the same settings."""
    title = "the server runs with these very settings"
    return Check(SAME, title, lambda: _same(scene), needs=(READ, SIGNED, *needs))


async def _read(scene: RunContext) -> Found:
    try:
        scene.environ = EnvironmentFile(scene.environ.get("VOICESTT_ENV_FILE"), scene.environ, {}).variables()
        scene.read_settings = Settings.from_environment(scene.environ)
    except BadSettings as bad:
        return failed(
            f"{len(bad.problems)} cannot",
            "; ".join(problem.rstrip(".") for problem in bad.problems) + ". The server does not start so.",
        )
    set_here = sum(1 for variable in variables() if scene.environ.get(variable.name, "").strip())
    return ok(f"{len(variables())} variables, {set_here} of them set")


async def _host(scene: RunContext) -> Found:
    why = why_not_public(scene.host)
    if why is None:
        return ok(scene.host)
    advice = f"That is {why}. Set PUBLIC_HOST to the name in the Twilio console that the live number will use."
    return failed(scene.host, advice)


async def _signed(scene: RunContext) -> Found:
    if scene.settings.twilio_validate and scene.settings.twilio_auth_token is not None:
        return ok("TWILIO_VALIDATE=true")
    advice = "Anybody who finds this server can make calls to it. Set TWILIO_AUTH_TOKEN and TWILIO_VALIDATE=true."
    return failed("TWILIO_VALIDATE=false", advice)


async def _key(scene: RunContext) -> Found:
    settings = scene.settings
    if settings.engine == "embedded":
        return ok("none is needed: STT_ENGINE=embedded")
    if settings.insecure:
        return ok("none is needed: GCP_STT_INSECURE=true")
    try:
        kind, project = await in_thread(scene.reactor, lambda: _load(settings))
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
    """Loads the key and returns its kind and project. Blocks: the machine's metadata server may be asked."""
    key = settings.credentials
    if key is not None:
        load_key(key)
        return key.kind, key.project
    found: Any
    found, project = google.auth.default()
    return f"this machine's default, {type(found).__name__}", project


async def _same(scene: RunContext) -> Found:
    nonce = secrets.token_hex(16)
    settings, token = _expected(scene), next(iter(scene.settings.twilio_auth_tokens), "")
    form = {digests.NONCE: nonce}
    headers = signed_headers(token, twiml.webhook_url(scene.host, digests.PATH), form)
    try:
        reply = await ask(scene.reactor, scene.url + digests.PATH, scene.host, form, headers)
    except NoAnswer as problem:
        return failed(str(problem), "The server went away meanwhile: see its log.")
    if reply.status != 200:
        return _no_digests(reply)
    try:
        names = digests.differing(settings, token, nonce, json.loads(reply.body))
    except (ValueError, AttributeError):
        return failed("no digests came", "Something else than this server answers there: see the proxy before it.")
    return _compared(scene, [name for name in names if name not in _OF_THE_PLACE])


def _expected(scene: RunContext) -> Settings:
    return scene.settings if scene.server is None else Settings.from_environment(scene.server.environ)


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


def _compared(scene: RunContext, names: list[str]) -> Found:
    if not names:
        return ok("equal, by a digest each")
    whose = "the deployment's" if scene.where is Where.PUBLIC else "the running server's"
    advice = f"Make this environment and {whose} equal and restart it, or you prove the wrong thing."
    if FLAG in names:
        advice += " The flag may have been turned while it runs: `voicestt flag show` there."
    return failed(f"differ: {', '.join(names)}", advice)
