import pytest
from twisted.internet.task import Clock

from tests.recognisers.fakes import ScriptedRecogniser, ScriptedSession
from voicestt.audio import mulaw
from voicestt.recognisers.port import RecogniserError
from voicestt.recognisers.probe import Probe

BROKEN = RecogniserError("UNAVAILABLE", "no route")


@pytest.fixture
def probe(clock: Clock, recogniser: ScriptedRecogniser) -> Probe:
    return Probe(clock, recogniser)


@pytest.fixture
def answers() -> list[bool]:
    return []


def last(recogniser: ScriptedRecogniser) -> ScriptedSession:
    return recogniser.sessions[-1]


def test_it_is_a_fifth_of_a_second_of_silence_that_is_half_closed(
    probe: Probe, recogniser: ScriptedRecogniser, answers: list[bool]
) -> None:
    probe.ask(answers.append)
    assert recogniser.session.audio == mulaw.SILENCE * 1_600
    assert recogniser.session.is_finished
    assert answers == []


@pytest.mark.parametrize(("error", "is_healthy"), [(None, True), (BROKEN, False)])
def test_it_is_healthy_if_the_stream_ends_well(
    probe: Probe,
    recogniser: ScriptedRecogniser,
    answers: list[bool],
    clock: Clock,
    error: RecogniserError | None,
    is_healthy: bool,
) -> None:
    probe.ask(answers.append)
    recogniser.session.partial("a voice in the silence")
    recogniser.session.end(error)
    assert answers == [is_healthy]
    assert clock.getDelayedCalls() == []


def test_those_who_ask_meanwhile_share_a_stream_and_the_next_get_another(
    probe: Probe, recogniser: ScriptedRecogniser, answers: list[bool]
) -> None:
    probe.ask(answers.append)
    probe.ask(answers.append)
    recogniser.session.end(None)
    assert answers == [True, True]
    probe.ask(answers.append)
    last(recogniser).end(BROKEN)
    assert answers == [True, True, False]
    assert len(recogniser.sessions) == 2


def test_a_stream_that_does_not_end_is_not_healthy(
    probe: Probe, recogniser: ScriptedRecogniser, answers: list[bool], clock: Clock
) -> None:
    probe.ask(answers.append)
    clock.advance(4.9)
    assert answers == []
    clock.advance(0.2)
    assert answers == [False]
    assert recogniser.session.is_aborted
    recogniser.session.end(None)
    assert answers == [False]


def test_one_who_is_answered_may_ask_again(
    probe: Probe, recogniser: ScriptedRecogniser, answers: list[bool]
) -> None:
    def ask_again(is_healthy: bool) -> None:
        answers.append(is_healthy)
        probe.ask(answers.append)

    probe.ask(ask_again)
    last(recogniser).end(BROKEN)
    last(recogniser).end(None)
    assert answers == [False, True]


def test_stopped_it_answers_nobody_and_leaves_nothing(
    probe: Probe, recogniser: ScriptedRecogniser, answers: list[bool], clock: Clock
) -> None:
    probe.stop()
    probe.ask(answers.append)
    probe.stop()
    assert answers == []
    assert recogniser.session.is_aborted
    assert clock.getDelayedCalls() == []
