"""Checks of the call's events, in the journal and live: complete, in order, with the right content."""

from collections.abc import Sequence

from voicestt import events
from voicestt.events import (
    AnyEvent,
    BadEvent,
    CallEnded,
    CallStarted,
    Final,
)
from voicestt.journal.problems import BadJournal
from voicestt.ops.gonogo.call_checks import ELSEWHERE, STAYS
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.journal_checks import events_of
from voicestt.ops.gonogo.listening import HeardCall
from voicestt.ops.gonogo.live_feed import LiveFeed
from voicestt.ops.gonogo.network_checks import ANSWERS
from voicestt.ops.gonogo.report import (
    Found,
    failed,
    ok,
    skipped,
    unseen,
)
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.settings_checks import READ
from voicestt.ops.gonogo.web import NoAnswer, Reply, in_thread

OPENS = "feed.opens"
_LOOK_SECONDS = 0.2
_FIRST_SECONDS, _LAST_SECONDS = 10.0, 5.0
_STREAM = "text/event-stream"
_CLOSED = "it is closed: EVENTS_TOKEN is not set"
_MISTAKE = "A mistake of the server: do not go live, report it."


def feed_check(context: RunContext, heard: HeardCall, listener: "EventListener") -> Check:
    """Make the check before the call of access to the live events; it also opens the listener's feed."""
    title = "live events are for who has the token"
    return Check(OPENS, title, lambda: _opens(context, heard, listener), (READ, ANSWERS), seconds=40.0)


def event_checks(context: RunContext, heard: HeardCall, listener: "EventListener") -> list[Check]:
    """Make the checks of the events after the call."""
    told = "its events come live, all and in order"
    return [
        Check(
            "events.journal",
            "its events are in the journal, in order",
            lambda: _journalled(context, heard),
            (STAYS,),
            seconds=100.0,
        ),
        Check("events.live", told, lambda: _live(context, listener), (OPENS, STAYS), seconds=100.0),
    ]


class EventListener:
    """Holds the live feed of the call's events; None until the feed check opened it."""

    def __init__(self) -> None:
        self.feed: LiveFeed | None = None


async def _opens(context: RunContext, heard: HeardCall, listener: EventListener) -> Found:
    token = context.settings.events_token
    try:
        stranger = await _knock(context, heard, None)
        if token is None:
            return _closed(stranger)
        if stranger.status != 401:
            return _not_guarded(stranger)
        listener.feed = LiveFeed(context.reactor, context.url, context.host, heard.call_sid, token)
        context.leftovers.append(listener.feed.stop)
        guest = await listener.feed.open()
    except NoAnswer as problem:
        return failed(str(problem), "See the log of the server and of the proxy before it.")
    if guest.status == 200 and guest.media_type == _STREAM:
        return ok("401 without it, 200 with it")
    advice = (
        "Has the running server another EVENTS_TOKEN? Does a proxy before it take the Authorization header away?"
    )
    return failed(f"with the token {guest.status} {guest.media_type}".rstrip(), advice)


async def _knock(context: RunContext, heard: HeardCall, token: str | None) -> Reply:
    feed = LiveFeed(context.reactor, context.url, context.host, heard.call_sid, token)
    try:
        return await feed.open()
    finally:
        await feed.stop()


def _closed(stranger: Reply) -> Found:
    if stranger.status == 404:
        return ok(_CLOSED)
    return failed(
        f"{stranger.status}, though EVENTS_TOKEN is not set",
        "Something else than this server answers at /events: see the proxy before it.",
    )


def _not_guarded(stranger: Reply) -> Found:
    figure = f"without the token {stranger.status}"
    if stranger.status == 404:
        return failed(figure, "The running server has no EVENTS_TOKEN: set it there too, and start it again.")
    return failed(figure, "Something else than this server answers at /events: see the proxy before it.")


async def _journalled(context: RunContext, heard: HeardCall) -> Found:
    if context.where is Where.PUBLIC:
        return unseen("not seen from outside", ELSEWHERE)
    url = context.server.journal_url if context.server else context.settings.journal_url
    if url == "off":
        return unseen("there is none: JOURNAL_URL=off")
    try:
        payloads = await _when_over(context, heard, url)
    except BadJournal as problem:
        return _not_to_be_read(context, str(problem))
    if not payloads and context.server is None:
        return _not_to_be_read(context, "the call is not in it")
    return await _judged(context, heard, payloads)


async def _when_over(context: RunContext, heard: HeardCall, url: str) -> list[bytes]:
    began = context.monotonic()
    while True:
        payloads = await in_thread(context.reactor, lambda: events_of(url, heard.call_sid))
        patience = context.settings.drain_seconds + _LAST_SECONDS if payloads else _FIRST_SECONDS
        if are_over(payloads) or context.monotonic() - began > patience:
            return payloads
        await context.rest(_LOOK_SECONDS)


def _not_to_be_read(context: RunContext, why: str) -> Found:
    if context.server is not None:
        return failed(f"it cannot be read: {why}", _MISTAKE)
    advice = (
        "JOURNAL_URL must name the running server's journal here too: the path of a file as an absolute one. "
        "Or run voicestt gonogo without arguments."
    )
    return skipped(why, advice)


async def _judged(context: RunContext, heard: HeardCall, payloads: Sequence[bytes]) -> Found:
    redact = context.settings.journal_redact
    fault = fault_in(payloads) or fault_in_privacy(payloads, redact)
    if fault:
        return failed(fault, _MISTAKE)
    figure = figure_of(payloads)
    if context.events_file is None:
        return ok(figure)
    finals = finals_in(payloads)
    if not keeps_texts(redact):
        return ok(f"{figure}, no texts: JOURNAL_REDACT={redact}")

    def same() -> bool:
        heard.look()
        return finals == [event.text for event in heard.finals]

    if await context.until(same, _LAST_SECONDS):
        return ok(f"{figure}, as in EVENTS_FILE")
    return failed("other finals than in EVENTS_FILE", _MISTAKE)


async def _live(context: RunContext, listener: EventListener) -> Found:
    feed = listener.feed
    if feed is None:
        return unseen(_CLOSED)
    if await context.until(lambda: bool(feed.told), _FIRST_SECONDS):
        patience = context.settings.drain_seconds + _LAST_SECONDS
        await context.until(lambda: are_over(feed.told), patience)
    if not feed.told:
        advice = (
            "A proxy before the server keeps the answer to /events back until it ends: switch its buffering off "
            "there. Where several processes answer, each tells of its own calls only."
        )
        return failed("none came", advice if context.where is not Where.STARTED else _MISTAKE)
    fault = fault_in(feed.told)
    return failed(fault, _MISTAKE) if fault else ok(figure_of(feed.told))


_WITHOUT_TEXTS = frozenset({"texts", "all"})
_WITHOUT_NUMBERS = frozenset({"numbers", "all"})


def are_over(payloads: Sequence[bytes]) -> bool:
    """Tell whether the last event ends the call."""
    return bool(payloads) and b'"call_ended"' in payloads[-1]


def fault_in(payloads: Sequence[bytes]) -> str:
    """Describe the fault of a call's events (JSON texts, in the order in which they came); "" without one."""
    try:
        told = [events.decode(payload) for payload in payloads]
    except BadEvent as problem:
        return f"one is no event of version {events.VERSION}: {str(problem)[:100]}"
    if not told:
        return "there are none"
    return _fault_in_numbers(told) or _fault_in_story(told)


def finals_in(payloads: Sequence[bytes]) -> list[str]:
    """List the texts of the finals; `payloads` must be valid events."""
    return [event.text for event in map(events.decode, payloads) if isinstance(event, Final)]


def fault_in_privacy(payloads: Sequence[bytes], redact: str) -> str:
    """Describe content that JOURNAL_REDACT (`redact`) should keep out; "" without any. Valid events only."""
    told = [events.decode(payload) for payload in payloads]
    started = [event for event in told if isinstance(event, CallStarted)]
    if redact in _WITHOUT_TEXTS and any(finals_in(payloads)):
        return f"what was said is there, and JOURNAL_REDACT={redact}"
    if redact in _WITHOUT_NUMBERS and any(event.caller or event.called for event in started):
        return f"phone numbers are there, and JOURNAL_REDACT={redact}"
    return ""


def keeps_texts(redact: str) -> bool:
    """Tell whether the journal keeps the transcripts."""
    return redact not in _WITHOUT_TEXTS


def figure_of(payloads: Sequence[bytes]) -> str:
    """Count the events and the finals, in words."""
    finals = len(finals_in(payloads))
    return f"{len(payloads)} events, {finals} final{'s' * (finals != 1)}"


def _fault_in_numbers(told: Sequence[AnyEvent]) -> str:
    if len({event.session for event in told}) != 1:
        return "they are of several sessions"
    if [event.sequence for event in told] != list(range(1, len(told) + 1)):
        return "they have gaps, repeats or another order"
    if any(event.id != events.event_id(event.session, event.sequence) for event in told):
        return "their ids do not fit"
    return ""


def _fault_in_story(told: Sequence[AnyEvent]) -> str:
    if not isinstance(told[0], CallStarted):
        return f"the first is {events.type_of(told[0])}"
    if not isinstance(told[-1], CallEnded):
        return f"call_ended is missing: the last is {events.type_of(told[-1])}"
    if any(isinstance(event, CallStarted | CallEnded) for event in told[1:-1]):
        return "the call begins or ends twice"
    finals = sum(isinstance(event, Final) for event in told)
    if told[-1].finals != finals:
        return f"call_ended counts {told[-1].finals} finals, and there are {finals}"
    return ""
