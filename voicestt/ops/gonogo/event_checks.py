"""Checks of the call's events: in the journal and live."""

from collections.abc import Sequence

from voicestt.journal.problems import BadJournal
from voicestt.ops.gonogo import told_events
from voicestt.ops.gonogo.call_checks import ELSEWHERE, STAYS
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.journal_of_a_call import events_of
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
from voicestt.ops.gonogo.scene import RunContext, Where
from voicestt.ops.gonogo.settings_checks import READ
from voicestt.ops.gonogo.web import NoAnswer, Reply, in_thread

OPENS = "feed.opens"
_LOOK_SECONDS = 0.2
_FIRST_SECONDS, _LAST_SECONDS = 10.0, 5.0
_STREAM = "text/event-stream"
_CLOSED = "it is closed: EVENTS_TOKEN is not set"
_MISTAKE = "A mistake of the server: do not go live, report it."


def feed_check(scene: RunContext, heard: HeardCall, listener: "EventListener") -> Check:
    """Makes the check before the call of access to the live events; it also opens the listener's feed."""
    title = "live events are for who has the token"
    return Check(OPENS, title, lambda: _opens(scene, heard, listener), (READ, ANSWERS), seconds=40.0)


def event_checks(scene: RunContext, heard: HeardCall, listener: "EventListener") -> list[Check]:
    """Makes the checks of the events after the call."""
    told = "its events come live, all and in order"
    return [
        Check(
            "events.journal",
            "its events are in the journal, in order",
            lambda: _journalled(scene, heard),
            (STAYS,),
            seconds=100.0,
        ),
        Check("events.live", told, lambda: _live(scene, listener), (OPENS, STAYS), seconds=100.0),
    ]


class EventListener:
    """Holds the live feed of the call's events; None until the feed check opened it."""

    def __init__(self) -> None:
        self.feed: LiveFeed | None = None


async def _opens(scene: RunContext, heard: HeardCall, listener: EventListener) -> Found:
    token = scene.settings.events_token
    try:
        stranger = await _knock(scene, heard, None)
        if token is None:
            return _closed(stranger)
        if stranger.status != 401:
            return _not_guarded(stranger)
        listener.feed = LiveFeed(scene.reactor, scene.url, scene.host, heard.call_sid, token)
        scene.leftovers.append(listener.feed.stop)
        guest = await listener.feed.open()
    except NoAnswer as problem:
        return failed(str(problem), "See the log of the server and of the proxy before it.")
    if guest.status == 200 and guest.media_type == _STREAM:
        return ok("401 without it, 200 with it")
    advice = (
        "Has the running server another EVENTS_TOKEN? Does a proxy before it take the Authorization header away?"
    )
    return failed(f"with the token {guest.status} {guest.media_type}".rstrip(), advice)


async def _knock(scene: RunContext, heard: HeardCall, token: str | None) -> Reply:
    feed = LiveFeed(scene.reactor, scene.url, scene.host, heard.call_sid, token)
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


async def _journalled(scene: RunContext, heard: HeardCall) -> Found:
    if scene.where is Where.PUBLIC:
        return unseen("not seen from outside", ELSEWHERE)
    url = scene.server.journal_url if scene.server else scene.settings.journal_url
    if url == "off":
        return unseen("there is none: JOURNAL_URL=off")
    try:
        payloads = await _when_over(scene, heard, url)
    except BadJournal as problem:
        return _not_to_be_read(scene, str(problem))
    if not payloads and scene.server is None:
        return _not_to_be_read(scene, "the call is not in it")
    return await _judged(scene, heard, payloads)


async def _when_over(scene: RunContext, heard: HeardCall, url: str) -> list[bytes]:
    began = scene.monotonic()
    while True:
        payloads = await in_thread(scene.reactor, lambda: events_of(url, heard.call_sid))
        patience = scene.settings.drain_seconds + _LAST_SECONDS if payloads else _FIRST_SECONDS
        if told_events.are_over(payloads) or scene.monotonic() - began > patience:
            return payloads
        await scene.rest(_LOOK_SECONDS)


def _not_to_be_read(scene: RunContext, why: str) -> Found:
    if scene.server is not None:
        return failed(f"it cannot be read: {why}", _MISTAKE)
    advice = (
        "JOURNAL_URL must name the running server's journal here too: the path of a file as an absolute one. "
        "Or run voicestt gonogo without arguments."
    )
    return skipped(why, advice)


async def _judged(scene: RunContext, heard: HeardCall, payloads: Sequence[bytes]) -> Found:
    redact = scene.settings.journal_redact
    fault = told_events.fault_in(payloads) or told_events.fault_in_privacy(payloads, redact)
    if fault:
        return failed(fault, _MISTAKE)
    figure = told_events.figure_of(payloads)
    if scene.events_file is None:
        return ok(figure)
    finals = told_events.finals_in(payloads)
    if not told_events.keeps_texts(redact):
        return ok(f"{figure}, no texts: JOURNAL_REDACT={redact}")

    def same() -> bool:
        heard.look()
        return finals == [event.text for event in heard.finals]

    if await scene.until(same, _LAST_SECONDS):
        return ok(f"{figure}, as in EVENTS_FILE")
    return failed("other finals than in EVENTS_FILE", _MISTAKE)


async def _live(scene: RunContext, listener: EventListener) -> Found:
    feed = listener.feed
    if feed is None:
        return unseen(_CLOSED)
    if await scene.until(lambda: bool(feed.told), _FIRST_SECONDS):
        patience = scene.settings.drain_seconds + _LAST_SECONDS
        await scene.until(lambda: told_events.are_over(feed.told), patience)
    if not feed.told:
        advice = (
            "A proxy before the server keeps the answer to /events back until it ends: switch its buffering off "
            "there. Where several processes answer, each tells of its own calls only."
        )
        return failed("none came", advice if scene.where is not Where.STARTED else _MISTAKE)
    fault = told_events.fault_in(feed.told)
    return failed(fault, _MISTAKE) if fault else ok(told_events.figure_of(feed.told))
