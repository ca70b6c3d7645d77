"""Runs all checks in their order."""

from collections.abc import Callable

from voicestt.ops.gonogo.application_checks import application_checks, handler_check
from voicestt.ops.gonogo.call_checks import call_checks
from voicestt.ops.gonogo.event_checks import EventListener, event_checks, feed_check
from voicestt.ops.gonogo.examination import Check, examine
from voicestt.ops.gonogo.greeting_check import greeting_check
from voicestt.ops.gonogo.journal_checks import journal_check
from voicestt.ops.gonogo.listening import HeardCall
from voicestt.ops.gonogo.network_checks import ANSWERS, network_checks
from voicestt.ops.gonogo.receiver_checks import delivery_check, receiver_checks
from voicestt.ops.gonogo.recogniser_checks import recogniser_checks
from voicestt.ops.gonogo.report import Finding
from voicestt.ops.gonogo.safety_checks import safety_checks
from voicestt.ops.gonogo.scene import RunContext
from voicestt.ops.gonogo.settings_checks import same_settings_check, settings_checks
from voicestt.ops.gonogo.socket_checks import socket_checks
from voicestt.ops.gonogo.webhook_checks import webhook_checks


def all_checks(scene: RunContext) -> list[Check]:
    """Makes all checks, from those that run nothing to those that need everything."""
    heard, listener = HeardCall(), EventListener()
    return [
        *settings_checks(scene),
        *recogniser_checks(scene),
        *application_checks(scene),
        journal_check(scene),
        *receiver_checks(scene),
        *network_checks(scene),
        same_settings_check(scene, ANSWERS),
        *webhook_checks(scene),
        *socket_checks(scene),
        feed_check(scene, heard, listener),
        *call_checks(scene, heard),
        greeting_check(scene, heard),
        *event_checks(scene, heard, listener),
        handler_check(scene),
        delivery_check(scene),
        *safety_checks(scene, heard, ANSWERS),
    ]


async def run(scene: RunContext, tell: Callable[[Finding], None]) -> tuple[Finding, ...]:
    """Runs all checks and returns every finding; whatever was started is ended in any case."""
    try:
        return await examine(scene.reactor, all_checks(scene), tell)
    finally:
        await scene.clear_up()
