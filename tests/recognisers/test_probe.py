import pytest
from twisted.internet.task import Clock

from tests.recognisers.fakes import ScriptedRecogniser
from tests.recognisers.voices import silence
from voicestt.recogniser import RecogniserError
from voicestt.recognisers.probe import Probe

NO_ROUTE = RecogniserError("UNAVAILABLE", "no route")


@pytest.fixture
def probe(clock: Clock, recogniser: ScriptedRecogniser) -> Probe:
    return Probe(clock, recogniser)


@pytest.mark.parametrize(("error", "healthy"), [(None, True), (NO_ROUTE, False)])
def test_healthy_is_what_ends_well(
    probe: Probe, recogniser: ScriptedRecogniser, clock: Clock, error: RecogniserError | None, healthy: bool
) -> None:
    answers: list[bool] = []
    probe.ask(answers.append)
    assert recogniser.session.audio == silence(0.2)
    assert recogniser.session.is_finished
    assert answers == []
    recogniser.session.partial("a word out of silence")
    recogniser.session.end(error)
    assert answers == [healthy]
    assert clock.getDelayedCalls() == []


def test_those_who_ask_meanwhile_share_a_stream(probe: Probe, recogniser: ScriptedRecogniser) -> None:
    answers: list[bool] = []
    for _ in range(100):
        probe.ask(answers.append)
    recogniser.session.end()
    assert answers == [True] * 100
    probe.ask(answers.append)
    assert len(recogniser.sessions) == 2


def test_what_does_not_end_is_not_healthy(probe: Probe, recogniser: ScriptedRecogniser, clock: Clock) -> None:
    answers: list[bool] = []
    probe.ask(answers.append)
    clock.advance(4.9)
    assert answers == []
    clock.advance(0.2)
    assert answers == [False]
    assert recogniser.session.is_aborted


def test_when_it_is_stopped_nobody_is_told(probe: Probe, recogniser: ScriptedRecogniser, clock: Clock) -> None:
    answers: list[bool] = []
    probe.ask(answers.append)
    probe.stop()
    assert answers == []
    assert recogniser.session.is_aborted
    assert clock.getDelayedCalls() == []
    probe.stop()
