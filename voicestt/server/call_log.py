"""A CallObserver that writes a call's events to the log."""

from statistics import median

from twisted.logger import Logger, LogLevel

from voicestt.audio import mulaw
from voicestt.audio.ledger import AudioTotals
from voicestt.call.facts import (
    CallEnded,
    CallStarted,
    Event,
    Final,
    Happened,
    Partial,
)
from voicestt.runtime.escaping import escaped
from voicestt.runtime.metrics import Summary
from voicestt.server.call_registry import CallRegistry


class CallLog:
    """Log of the calls' events; each line has the CallSid, none a phone number.

    An event is told when it is in the journal, so no final is shown in green that a killed server would lose.
    Without `partials` these are not logged; without `texts` the length of what callers say is, not the words.
    """

    _log = Logger()

    def __init__(self, registry: CallRegistry, *, partials: bool = True, texts: bool = True) -> None:
        self._registry = registry
        self._partials = partials
        self._texts = texts

    def tell(self, event: Event, session: str | None = None) -> None:
        """Log the event in one line; `session` is the id of the call's session, for logs in JSON."""
        match event:
            case CallStarted():
                about = _about(event, "call_started", session)
                self._log.info("Call started, stream {stream}.", stream=event.call.stream_sid, **about)
            case Partial():
                if self._partials:
                    about = _about(event, "partial", session)
                    self._log.info("🟡 Partial{by}: {text}", by=_by(event), text=self._said(event.text), **about)
            case Final():
                about = _about(event, "final", session)
                self._log.info("🟢 Final{by}: {text}", by=_by(event), text=self._said(event.text), **about)
            case Happened():
                self._tell_incident(event, session)
            case CallEnded():
                summary = _summary(event, self._registry.find(event.call.call_sid).statuses)
                self._log.info("Call ended: {summary}", summary=summary, **_about(event, "call_ended", session))

    def tell_unwritten(self, event: Event) -> None:
        """Log an event that has waited too long for the journal, which says why."""
        if isinstance(event, Final):
            text = self._said(event.text)
            self._log.warn("⚪ Final, not in the journal yet: {text}", text=text, **_about(event, "final", None))
        else:
            self.tell(event)

    def _said(self, text: str) -> str:
        return escaped(text) if self._texts else f"({len(text)} characters)"

    def _tell_incident(self, event: Happened, session: str | None) -> None:
        level, words = _INCIDENTS.get(event.kind, (LogLevel.info, "{event}: {why}."))
        about = _about(event, event.kind, session)
        self._log.emit(level, words, why=escaped(event.why), seconds=event.seconds, **about)


def _by(words: Partial | Final) -> str:
    return "" if words.track == "caller" else f" of the {words.track}"


def _about(event: Event, kind: str, session: str | None) -> dict[str, str | None]:
    """Make the fields that say, in every line, which call it is about and what happened."""
    return {"log_system": event.call.call_sid, "event": kind, "session": session}


_INCIDENTS = {
    "rotated": (LogLevel.info, "The stream was changed in time: {why}."),
    "restarted": (LogLevel.warn, "The stream failed and is replaced; its audio is sent again. Why: {why}."),
    "degraded": (
        LogLevel.warn,
        "⚠️ Degraded: one request per utterance from here on; {seconds:.1f} s of audio are recognised again. "
        "Why: {why}.",
    ),
    "interrupted": (
        LogLevel.warn,
        "⚠️ Interrupted: no words for now; {seconds:.1f} s of audio wait, and what is said meanwhile is kept. "
        "Why: {why}.",
    ),
    "resumed": (LogLevel.info, "Resumed: {why}; what was kept is recognised now."),
    "recovered": (LogLevel.info, "Recovered: {why}."),
    "refused": (
        LogLevel.warn,
        "⚠️ What this call asked for was refused, and it is recognised as before: {why}. What to do: "
        "docs/speech.md says which models have what.",
    ),
    "unrecognised": (
        LogLevel.error,
        "The words of {seconds:.1f} s of audio are lost: {why}. The call goes on. "
        "What to do: see this line in docs/operations.md.",
    ),
}


def _summary(event: CallEnded, statuses: list[str]) -> str:
    delivered = event.delivered
    parts = [
        escaped(event.reason),
        f"{event.seconds:.2f} s",
        f"{event.frames} frames",
        f"{event.audio_bytes} bytes",
        f"{delivered.partials} partials",
        f"{delivered.finals} finals",
        f"first partial after {_milliseconds(delivered.first_partial)}",
        f"final delay {_delays(delivered.final_delays)}",
    ]
    parts.extend(f"{count} {kind}" for kind, count in sorted(delivered.incidents.items()))
    account = event.account
    if account.sent_again:
        parts.append(f"{account.sent_again} bytes sent again")
    parts.extend(_lost(account, ""))
    if event.callee is not None:
        parts.append(f"of the callee {mulaw.seconds(event.callee.received):.2f} s")
        parts.extend(_lost(event.callee, " of the callee"))
    if event.ignored:
        parts.append("ignored: " + ", ".join(f"{count} {what}" for what, count in sorted(event.ignored.items())))
    if statuses:
        parts.append("Twilio's statuses: " + ", ".join(statuses))
    return "; ".join(parts + _measured(event.figures))


def _lost(account: AudioTotals, whose: str) -> list[str]:
    """Say of how many seconds there are no words; nothing where there are none."""
    lost = account.given_up + account.uncovered
    return [f"NOT RECOGNISED{whose}: {mulaw.seconds(lost):.2f} s"] if lost else []


def _measured(figures: Summary) -> list[str]:
    """List the call's measured figures, without those that are zero."""
    parts = []
    if figures.added.count:
        parts.append(f"added delay {figures.added.words}")
    if figures.hand_off.count:
        parts.append(f"hand-off {figures.hand_off.words}")
    if figures.late_frames:
        parts.append(f"{figures.late_frames} frames late")
    if figures.retained:
        parts.append(f"at most {mulaw.seconds(figures.retained):.2f} s retained")
    return parts


def _milliseconds(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds * 1000:.0f} ms"


def _delays(delays: object) -> str:
    if not isinstance(delays, tuple) or not delays:
        return "none"
    return f"median {_milliseconds(median(delays))}, longest {_milliseconds(max(delays))}"
