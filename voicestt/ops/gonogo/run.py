"""Runs all checks in their order."""

from collections.abc import Callable

from voicestt.ops.gonogo.application_checks import application_checks, handler_check
from voicestt.ops.gonogo.call_checks import call_checks
from voicestt.ops.gonogo.event_checks import EventListener, event_checks, feed_check
from voicestt.ops.gonogo.examination import Check, examine
from voicestt.ops.gonogo.fleet_check import fleet_check
from voicestt.ops.gonogo.greeting_check import greeting_check
from voicestt.ops.gonogo.journal_checks import journal_check
from voicestt.ops.gonogo.listening import HeardCall
from voicestt.ops.gonogo.network_checks import ANSWERS, network_checks
from voicestt.ops.gonogo.receiver_checks import delivery_check, receiver_checks
from voicestt.ops.gonogo.recogniser_checks import recogniser_checks
from voicestt.ops.gonogo.report import Finding
from voicestt.ops.gonogo.run_context import RunContext
from voicestt.ops.gonogo.safety_checks import safety_checks
from voicestt.ops.gonogo.settings_checks import same_settings_check, settings_checks
from voicestt.ops.gonogo.socket_checks import socket_checks
from voicestt.ops.gonogo.webhook_checks import webhook_checks


def all_checks(context: RunContext) -> list[Check]:
    """Make all checks, from those that run nothing to those that need everything."""
    heard, listener = HeardCall(), EventListener()
    return [
        *settings_checks(context),
        *recogniser_checks(context),
        *application_checks(context),
        journal_check(context),
        *receiver_checks(context),
        fleet_check(context),
        *network_checks(context),
        same_settings_check(context, ANSWERS),
        *webhook_checks(context),
        *socket_checks(context),
        feed_check(context, heard, listener),
        *call_checks(context, heard),
        greeting_check(context, heard),
        *event_checks(context, heard, listener),
        handler_check(context),
        delivery_check(context),
        *safety_checks(context, heard, ANSWERS),
    ]


async def run(context: RunContext, tell: Callable[[Finding], None]) -> tuple[Finding, ...]:
    """Run all checks and return every finding; whatever was started is ended in any case."""
    try:
        return await examine(context.reactor, all_checks(context), tell)
    finally:
        await context.clear_up()
