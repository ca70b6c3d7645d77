"""A load whose calls can be moved: each follows TwiML over several streams, by a REST API of Twilio's own.

Its callers are those of `voicestt call`, which cost more than the bare ones of `raw_call`: what it tells is what
became of the calls and their words, not what the server costs.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from statistics import median
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from voicestt.emulators.twilio.call_values import CallOptions, CallReport, CallUpdate
from voicestt.emulators.twilio.caller import CallControl, place_call
from voicestt.emulators.twilio.rest_api import TwilioRestApi
from voicestt.emulators.twilio.running import run_with_reactor
from voicestt.emulators.twilio.twiml import Fetch
from voicestt.ops.load.accounts import json_lines
from voicestt.ops.load.own_server import Server
from voicestt.ops.load.said import FRAMES_A_SECOND, ROUND, audio_of, words_within
from voicestt.ops.load.talking import in_step, spread
from voicestt.ops.tables import table
from voicestt.runtime.reactor import FullReactor, TcpReactor

_EVENTS_SECONDS: Final = 15.0
_MOST_FAULTS: Final = 20

HEADINGS: Final = (
    "calls",
    "moved",
    "ended early",
    "streams",
    "without a stream ms median/max",
    "words",
    "lost",
    "doubled",
    "said to nobody",
    "caller late ms",
)
LEGEND: Final = (
    "Moved calls had more than one stream; 'without a stream' is from the end of one to the start of the next.",
    "'words' were sent whole on one stream and are to come back once and in order; 'said to nobody' are those",
    "that were spoken, at least in part, while there was no stream.",
)


@dataclass(frozen=True, slots=True)
class MovingPlan:
    """The calls to place: so many, of `seconds` each, the API on `port`; moved by the API itself at `move_at`."""

    count: int
    seconds: float
    port: int
    together: bool = False
    move_at: float | None = None


@dataclass(frozen=True, slots=True)
class WordAccount:
    """One call's words: sent whole, lost or doubled among those, and said to nobody."""

    sent: int = 0
    lost: int = 0
    doubled: int = 0
    to_nobody: int = 0


@dataclass(frozen=True, slots=True)
class MovingResult:
    """The outcome of a load; the accounts are None where the events are not known."""

    reports: Sequence[CallReport]
    accounts: Sequence[WordAccount] | None = None

    @property
    def faults(self) -> list[str]:
        """Calls that ended before the caller hung up, and words that went astray, in words."""
        early = [
            f"{report.call_sid}: ended by the {report.ended_by}: {'; '.join(map(str, report.problems))}"
            for report in self.reports
            if _ended_early(report)
        ]
        told = zip(self.reports, self.accounts or (), strict=False)
        return early + [
            f"{report.call_sid}: {each.lost} words lost, {each.doubled} doubled, of {each.sent}"
            for report, each in told
            if each.lost or each.doubled
        ]


def moving_load(server: Server, plan: MovingPlan, events: Sequence[Path]) -> MovingResult:
    """Place the calls, wait for their last words, and account for every one in the files of events."""
    reports = run_with_reactor(lambda reactor: _placed(reactor, server, plan))
    if not events:
        return MovingResult(reports)
    give_up = time.monotonic() + _EVENTS_SECONDS
    while True:
        accounts = word_accounts(reports, [line for file in events for line in json_lines(file)])
        if not any(each.lost for each in accounts) or time.monotonic() > give_up:
            return MovingResult(reports, accounts)
        time.sleep(0.5)


async def _placed(reactor: TcpReactor, server: Server, plan: MovingPlan) -> list[CallReport]:
    api = TwilioRestApi(server.target.auth_token)
    api.listen(reactor, plan.port)
    phases = in_step(plan.count) if plan.together else spread(plan.count, min(ROUND, plan.seconds / 4))
    calls = [
        Deferred.fromCoroutine(_call(reactor, server, plan, number, phase / 1000, api.new_call()))
        for number, phase in enumerate(phases)
    ]
    return await gatherResults(calls, consumeErrors=True)


async def _call(
    reactor: FullReactor, server: Server, plan: MovingPlan, number: int, begins: float, control: CallControl
) -> CallReport:
    await deferLater(reactor, begins)
    clip = audio_of(number, round(plan.seconds * FRAMES_A_SECOND))
    if plan.move_at is not None:
        update = CallUpdate(Fetch(server.target.public_url))
        reactor.callLater(plan.move_at, control.update, update)
    return await place_call(reactor, server.target, clip, CallOptions(silence=0), control=control)


def word_accounts(reports: Sequence[CallReport], events: Sequence[Mapping[str, Any]]) -> list[WordAccount]:
    """Account for the words of each call, whose number is its place in `reports`."""
    heard: dict[str, list[str]] = {}
    for event in events:
        if event["kind"] == "final":
            heard.setdefault(event["stream_sid"], []).extend(event["text"].split())
    return [_account(number, report, heard) for number, report in enumerate(reports)]


def _account(number: int, report: CallReport, heard: Mapping[str, Sequence[str]]) -> WordAccount:
    """Compare what each stream was to bring with what its finals said."""
    sent = lost = doubled = 0
    for leg in report.streams:
        wanted, came = words_within(number, *leg.sent), heard.get(leg.stream_sid, [])
        matched = sum(
            block.size for block in SequenceMatcher(None, wanted, came, autojunk=False).get_matching_blocks()
        )
        sent, lost, doubled = sent + len(wanted), lost + len(wanted) - matched, doubled + len(came) - matched
    spoken = max((leg.sent[1] for leg in report.streams), default=0)
    spoken = max([spoken, *(ends for _, ends in report.unsent)])
    return WordAccount(sent, lost, doubled, len(words_within(number, 0, spoken)) - sent)


def _ended_early(report: CallReport) -> bool:
    return report.ended_by != "caller" or not report.streams


def report_moving(result: MovingResult) -> list[str]:
    """Format all lines; the last ones are the verdict."""
    return [*table(HEADINGS, [_cells(result)], right=True), "", *LEGEND, "", *_warnings(result), *_verdict(result)]


def _cells(result: MovingResult) -> tuple[str, ...]:
    reports, accounts = result.reports, result.accounts
    gaps = [1000 * gap for report in reports for gap in report.gaps]
    fields = ("sent", "lost", "doubled", "to_nobody")
    return (
        str(len(reports)),
        str(sum(len(report.streams) > 1 for report in reports)),
        str(sum(map(_ended_early, reports))),
        str(sum(len(report.streams) for report in reports)),
        f"{median(gaps):.0f}/{max(gaps):.0f}" if gaps else "-",
        *(str(sum(getattr(each, field) for each in accounts)) if accounts else "-" for field in fields),
        f"{max((report.latest_frame_ms for report in reports), default=0):.0f}",
    )


def _warnings(result: MovingResult) -> list[str]:
    """Count what Twilio would have logged."""
    counted: dict[str, int] = {}
    for report in result.reports:
        for problem in (*report.warnings, *report.problems):
            counted[str(problem)] = counted.get(str(problem), 0) + 1
    return [f"{count} times: {words}" for words, count in sorted(counted.items())[:_MOST_FAULTS]]


def _verdict(result: MovingResult) -> list[str]:
    faults = [f"FAULT: {words}" for words in result.faults]
    if faults:
        return [
            *faults[:_MOST_FAULTS],
            *([f"... and {len(faults) - _MOST_FAULTS} more"] if len(faults) > _MOST_FAULTS else []),
        ]
    if result.accounts is None:
        return [
            "Every call lasted until its caller hung up. What became of the words only the server there knows."
        ]
    return ["Every call lasted until its caller hung up; every word sent whole came back once and in its order."]
