"""The check of the fleet's Redis: it answers, runs the fleet's scripts, and says who is in the fleet."""

from contextlib import closing

from voicestt.config.redis_address import RedisAddress, redis_address
from voicestt.fleet.link import CannotJoin, open_fleet_servers
from voicestt.ops.fleet.console import FleetConsole
from voicestt.ops.gonogo.call_checks import ELSEWHERE
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.report import Found, failed, ok, unseen
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.settings_checks import READ
from voicestt.ops.gonogo.web import in_thread
from voicestt.runtime.redis_servers import redis_failures, words_of


def fleet_check(context: RunContext) -> Check:
    """Make the check, which writes nothing; the trial's own server is in no fleet."""
    return Check("fleet.answers", "the fleet's Redis answers", lambda: _fleet(context), (READ,))


async def _fleet(context: RunContext) -> Found:
    url = context.settings.fleet_url
    if url is None:
        return ok("there is none: FLEET_REDIS_URL and REDIS_URL are not set, or it is off")
    if context.where is Where.PUBLIC:
        return unseen("not seen from outside", ELSEWHERE)
    return await in_thread(context.reactor, lambda: _ask(redis_address(url)))


def _ask(address: RedisAddress) -> Found:
    try:
        with closing(open_fleet_servers(address)) as servers:
            console = FleetConsole(address, servers)
            count, order = len(console.members), console.order
    except CannotJoin as problem:
        return failed("it cannot be used", f"{problem}.")
    except redis_failures() as problem:
        advice = "Is Redis running, and reachable from here? FLEET_REDIS_URL, or REDIS_URL if that is not set."
        return failed(words_of(problem, address), advice)
    figure = f"processes in it now: {count}"
    if order is None or order.is_on is not False:
        return ok(figure)
    advice = "`voicestt flag clear --fleet` lets each process follow ENABLE_STREAMING_STT again."
    return ok(f"{figure}; its flag is off ({order.words})", advice)
