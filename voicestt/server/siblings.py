"""Health and metrics of all workers: whichever is asked asks the others, and answers for all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import nan
from typing import Any, Final

from prometheus_client.core import Metric
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from voicestt.server.metrics.of_workers import crew_families
from voicestt.workers.link import ALL_SECONDS, WorkerLink

HEALTH: Final = "health"
METRICS: Final = "metrics"

HEALTH_SECONDS: Final = 0.8
"""Patience with the others for /healthz: a platform's health check is given up after a second, and then kills."""

KEPT_SECONDS: Final = 0.5
"""An answer serves whoever asks within this time: anybody may ask for /healthz, and often."""

_BY_SEVERITY: Final = ("ok", "degraded", "failing")
_GREATEST: Final = ("_seconds", "_peak", "since", "p50", "p95", "p99", "max")
_FIRST: Final = ("version", "last_error", "why", "status", "state", "name")

Gathered = Mapping[str, Any]
"""The answers of all workers by name, as `workers`, and how the supervisor sees them, as `crew`."""


class Siblings:
    """Asks all workers by `link`."""

    def __init__(self, clock: IReactorTime, link: WorkerLink) -> None:
        self._clock = clock
        self._link = link
        self._kept: dict[str, tuple[float, Gathered]] = {}
        self._waiting: dict[str, list[Deferred[Gathered]]] = {}

    def health(self, own: Mapping[str, object]) -> "Deferred[dict[str, object]]":
        """Return the answer of /healthz for all; `own` is this worker's, for where there is no other."""
        return self._gather(HEALTH, HEALTH_SECONDS).addCallback(
            lambda gathered: health_of_all(own, gathered, self._link.name)
        )

    def metrics(self, own: Callable[[], object]) -> "Deferred[MetricsOfAll]":
        """Return the metrics of all; `own` collects this worker's, for where there is no other."""
        return self._gather(METRICS, ALL_SECONDS).addCallback(
            lambda gathered: MetricsOfAll(gathered or {"workers": {self._link.name: own()}})
        )

    def _gather(self, what: str, seconds: float) -> "Deferred[Gathered]":
        gathering: Deferred[Gathered] = Deferred()
        at, kept = self._kept.get(what, (0.0, None))
        if kept is not None and self._clock.seconds() - at < KEPT_SECONDS:
            gathering.callback(kept)
            return gathering
        waiting = self._waiting.setdefault(what, [])
        waiting.append(gathering)
        if len(waiting) == 1:
            self._link.ask_all(what, seconds).addCallback(self._gathered, what)
        return gathering

    def _gathered(self, gathered: Gathered, what: str) -> None:
        self._kept[what] = (self._clock.seconds(), gathered)
        for waiting in self._waiting.pop(what):
            if not waiting.called:  # whoever asked may have gone
                waiting.callback(gathered)


def health_of_all(own: Mapping[str, object], gathered: Gathered, name: str) -> dict[str, object]:
    """Make one answer of the workers' own: sums of what counts, the worst of delays, each under its name."""
    answers: Mapping[str, Any] = gathered.get("workers", {name: own})
    there = {each: answer for each, answer in answers.items() if answer is not None} or {name: dict(own)}
    reasons = [f"worker {each}: {reason}" for each, answer in there.items() for reason in _reasons(answer)]
    missing = list(_missing(answers, gathered.get("crew")))
    serving = [str(each["status"]) for each in there.values() if each["status"] != "stopping"]
    worst = max(serving, key=_BY_SEVERITY.index, default="stopping")
    phases = (gathered.get("crew") or {}).get("phases", {})
    return {
        **_together("", list(there.values())),
        "status": "degraded" if missing and worst == "ok" else worst,
        "reasons": [*missing, *reasons],
        "busy": _busy(there.values()),
        "workers": {each: {"phase": phases.get(each), **answer} for each, answer in there.items()},
    }


def _reasons(answer: Mapping[str, Any]) -> Sequence[str]:
    reasons: Sequence[str] = answer["reasons"]
    return reasons


def _missing(answers: Mapping[str, Any], crew: Mapping[str, Any] | None) -> Iterable[str]:
    if crew is None:
        yield "the supervisor does not answer: this is one worker only"
        return
    for name, answer in answers.items():
        if answer is None:
            yield f"worker {name} does not answer"
    ready = sum(phase == "ready" for phase in crew["phases"].values())
    if ready < crew["wanted"]:
        yield f"{crew['wanted'] - ready} of {crew['wanted']} workers are not ready"


def _busy(answers: Iterable[Mapping[str, Any]]) -> object:
    """Return why new calls are refused: only where every worker refuses them."""
    reasons = [answer["busy"] for answer in answers]
    return reasons[0] if all(reasons) else None


def _together(key: str, values: Sequence[Any]) -> Any:
    """Join values of one key: counts are added, of delays and ages the greatest is taken."""
    there = [each for each in values if each is not None]
    if not there:
        return None
    first = there[0]
    if isinstance(first, Mapping):
        keys = dict.fromkeys(name for each in there for name in each)
        return {name: _together(name, [each.get(name) for each in there]) for name in keys}
    if isinstance(first, bool):
        return any(there)
    if isinstance(first, int | float) and not key.endswith(_FIRST):
        return max(there) if key.endswith(_GREATEST) and key != "lost_seconds" else sum(there)
    return first


class MetricsOfAll:
    """The metrics of all workers, to be encoded: every sample has the label `worker`."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered

    def collect(self) -> Iterable[Metric]:
        """Yield each family once, with the samples of all workers."""
        families: dict[str, Metric] = {}
        for worker, answer in self._gathered["workers"].items():
            for name, text, kind, samples in answer or ():
                family = families.setdefault(name, Metric(name, text, kind))
                for sample, labels, value in samples:
                    family.add_sample(sample, {**labels, "worker": worker}, nan if value is None else value)
        yield from families.values()
        crew = self._gathered.get("crew")
        if crew is not None:
            yield from crew_families(crew)
