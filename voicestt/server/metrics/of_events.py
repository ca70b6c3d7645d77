"""The families of the ways of events: journal, destinations, handlers, listeners, and the events file."""

import time
from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from voicestt.call.facts import Event
from voicestt.delivery.deliverer import DeliveryFigures
from voicestt.handler.counts import Counts
from voicestt.journal.journal import Journal
from voicestt.server.events_file import EventsFile
from voicestt.server.metrics.families import counter, counters, counters_of_two, gauge, gauges, histogram
from voicestt.server.pipeline import EventPipeline


class EventFamilies(Collector):
    """Collects the metrics of an event pipeline, and of the file beside it."""

    def __init__(self, pipeline: EventPipeline, file: EventsFile | None) -> None:
        self._pipeline = pipeline
        self._file = file

    def collect(self) -> Iterator[Metric]:
        """Make the families of what has been counted until now."""
        pipeline = self._pipeline
        if pipeline.journal is not None:
            yield from _of_journal(pipeline.journal)
        if pipeline.destinations:
            yield from _of_destinations(pipeline)
        if pipeline.handler_counts is not None:
            yield from _of_handlers(pipeline.handler_counts)
        yield from _of_listeners(pipeline)
        if self._file is not None:
            yield counter("events_file_lost_events", "Events that EVENTS_FILE did not take.", self._file.lost)


def _of_journal(journal: Journal[Event]) -> Iterator[Metric]:
    state = journal.state
    yield gauge("journal_up", "1 while events get into the database.", state.is_written)
    yield gauge("journal_outage_seconds", "How long it could not be written, 0 if it can.", _age(state.since))
    yield gauge("journal_waiting_events", "Events in memory that are not in the database yet.", state.waiting)
    yield gauge("journal_waiting_bytes", "About the memory that they take.", state.waiting_bytes)
    yield gauge("journal_spilled_events", "Events that wait in this process's spill file.", state.in_file)
    yield counter("journal_lost_events", "Events that were given up, as too many waited.", state.lost)
    text = "From an event to its being in the database."
    yield histogram("journal_write_delay_seconds", text, journal.write_delay)


def _of_destinations(pipeline: EventPipeline) -> Iterator[Metric]:
    found = pipeline.destinations
    figures = {name: each.figures for name, each in found.items()}
    standings = {name: each.standing for name, each in found.items()}
    yield _destination("up", "0 while the receiver is down.", {n: not each.is_down for n, each in figures.items()})
    waiting = {name: each.waiting for name, each in standings.items()}
    yield _destination("waiting_events", "Events in the journal for it.", waiting)
    oldest = {name: _age(each.oldest_at) for name, each in standings.items()}
    yield _destination("oldest_seconds", "Age of the oldest of them.", oldest)
    away = {name: each.in_flight for name, each in figures.items()}
    yield _destination("in_flight_events", "Events that are on their way.", away)
    dead = {name: each.dead_lettered for name, each in standings.items()}
    yield _destination("dead_letters", "Dead letters in the journal.", dead)
    lettered = {name: each.dead_lettered for name, each in figures.items()}
    text = "Events that became dead letters since the start."
    yield counters("destination_dead_lettered_events", text, "destination", lettered)
    text = "Attempts to deliver an event, by what came of them."
    yield counters_of_two("destination_attempts", text, ["destination", "outcome"], _attempts(figures))


def _destination(name: str, text: str, values: Mapping[str, float]) -> Metric:
    return gauges(f"destination_{name}", text, "destination", values)


def _attempts(figures: Mapping[str, DeliveryFigures]) -> dict[tuple[str, str], float]:
    attempts: dict[tuple[str, str], float] = {}
    for name, each in figures.items():
        attempts[name, "delivered"] = each.delivered
        attempts[name, "failed"] = each.failed_attempts
    return attempts


def _age(since: float | None) -> float:
    return 0.0 if since is None else max(0.0, time.time() - since)


def _of_handlers(counts: Counts) -> Iterator[Metric]:
    yield gauge("handler_calls", "Calls that have a handler now.", counts.calls)
    yield gauge("handler_waiting_events", "Events that wait for their handlers.", counts.waiting)
    yield counter("handler_failures", "Methods of handlers that raised an error.", counts.failed)
    yield counter("handler_dropped_events", "Events not told, as too many waited.", counts.dropped)
    yield counter("handler_calls_hung_up", "Calls ended, as too many events waited.", counts.hung_up)
    yield counter("handler_stuck", "Handlers given up, as they did not return.", counts.stuck)
    yield counter("handler_stalls", "Times that a handler blocked the loop of all.", counts.stalls)


def _of_listeners(pipeline: EventPipeline) -> Iterator[Metric]:
    sent = pipeline.hub.counters
    yield gauge("listeners", "Listeners of the live events now.", sent["listeners"])
    yield counter("listener_events", "Events sent to listeners.", sent["sent"])
    yield counter("listeners_disconnected", "Listeners that were too slow.", sent["disconnected"])
