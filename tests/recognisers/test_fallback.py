from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from tests.recognisers.fakes import Ear, ScriptedRecogniser, ScriptedSession
from tests.recognisers.test_single_shot import Requests
from tests.recognisers.voices import silence, voice
from voicestt.recogniser import RecogniserError
from voicestt.recognisers.endless import Endless, Limits
from voicestt.recognisers.fallback import SWITCHED_OFF, Fallback, FallbackSession, Flag
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.single_shot import SingleShot

REFUSED = RecogniserError("PERMISSION_DENIED", "no such project")
NO_ROUTE = RecogniserError("UNAVAILABLE", "no route")
SECOND = 8_000


class Net:
    """The safety net over streams, requests and a probe that are the test's."""

    def __init__(self, *, is_on: bool = True, restarts: int = 0, recover_seconds: float = 60.0) -> None:
        self.clock = Clock()
        self.flag = Flag(is_on)
        self.streams = ScriptedRecogniser()
        self.probes = ScriptedRecogniser()
        self.requests = Requests()
        self.ear = Ear()
        self.audio = b""
        single_shot = SingleShot(self.requests.recognise, lambda action: self.clock.callLater(0, action))
        fallback = Fallback(
            self.clock,
            self.flag,
            Endless(self.clock, self.streams, Limits(restarts=restarts)),
            single_shot,
            Probe(self.clock, self.probes),
            recover_seconds=recover_seconds,
        )
        self.session: FallbackSession = fallback.open(self.ear)

    @property
    def stream(self) -> ScriptedSession:
        return self.streams.sessions[-1]

    def say(self, audio: bytes) -> None:
        """In batches, as time goes by."""
        self.audio += audio
        for at in range(0, len(audio), 1_200):
            self.session.write(audio[at : at + 1_200])
            self.clock.advance(0.15)

    def answer(self, text: str) -> None:
        self.requests.answer(len(self.requests.owed) - 1, text)
        self.clock.advance(0)

    def finish(self) -> None:
        self.session.finish()
        self.clock.advance(0)


@pytest.fixture
def net() -> Iterator[Net]:
    made = Net()
    yield made
    account = made.session.account
    assert account.received == len(made.audio)
    assert account.received == account.recognised + account.passed_over + account.given_up + account.uncovered
    assert made.flag.watched_by == 0, "the session is still watching the flag"


def test_with_the_flag_off_each_utterance_is_a_request() -> None:
    net = Net(is_on=False)
    net.say(silence(1) + voice(1) + silence(1))
    net.answer("hello")
    assert net.streams.sessions == []
    assert net.ear.finals == ["hello"]
    assert net.ear.incidents == []
    net.finish()
    assert net.ear.ends == [None]


def test_with_the_flag_on_no_request_is_made(net: Net) -> None:
    net.say(voice(1))
    net.stream.partial("hel", end=SECOND // 2)
    net.stream.final("hello", end=SECOND)
    net.finish()
    assert net.stream.audio == net.audio
    net.stream.final("bye")
    net.stream.end()
    assert (net.ear.partials, net.ear.finals) == (["hel"], ["hello", "bye"])
    assert net.ear.ends == [None]
    assert net.requests.audio == []


@pytest.mark.parametrize(("covered", "seconds"), [(None, 1), (SECOND // 2, 1), (SECOND, 2)])
def test_what_no_final_covered_goes_to_the_single_shot_to_the_byte(
    net: Net, covered: int | None, seconds: float
) -> None:
    net.say(voice(seconds))
    if covered is not None:
        net.stream.final("streamed", end=covered)
    net.stream.end(REFUSED)
    assert net.ear.kinds == ["degraded"]
    rest = voice(0.5, 200) + silence(1)
    net.say(rest)
    start = covered or 0
    (asked,) = net.requests.audio
    assert asked == net.audio[start : start + len(asked)]
    assert asked.startswith(net.audio[start : round(seconds * SECOND)] + voice(0.5, 200))
    net.answer("by request")
    assert net.ear.results[-1].end == start + len(asked)
    assert net.ear.finals[-1] == "by request"
    net.finish()
    assert net.ear.ends == [None]
    assert net.session.account.given_up == 0


def test_an_error_after_finish_still_has_the_rest_recognised(net: Net) -> None:
    net.say(voice(1))
    net.finish()
    net.stream.end(NO_ROUTE)
    assert net.ear.ends == []
    assert net.requests.audio == [net.audio]
    net.answer("by request")
    assert net.ear.finals == ["by request"]
    assert net.ear.ends == [None]


def test_a_stream_that_ends_by_itself_is_an_error(net: Net) -> None:
    net.say(voice(1))
    net.stream.end(None)
    (incident,) = net.ear.incidents
    assert (incident.kind, incident.seconds) == ("degraded", 1.0)
    assert "closed the stream before" in incident.why
    net.finish()
    net.answer("by request")
    assert net.ear.finals == ["by request"]


def test_only_silence_is_not_asked_for(net: Net) -> None:
    net.say(silence(1))
    net.stream.end(REFUSED)
    net.say(silence(3))
    net.finish()
    assert net.requests.audio == []
    assert net.ear.ends == [None]


def test_words_that_nobody_can_recognise_are_told_and_accounted_for(net: Net) -> None:
    net.say(voice(1))
    net.stream.end(REFUSED)
    net.say(silence(1))
    net.requests.owed[0].errback(NO_ROUTE)
    net.clock.advance(0)
    assert net.ear.kinds == ["degraded", "unrecognised"]
    assert net.ear.incidents[1].why == str(NO_ROUTE)
    assert net.session.account.given_up == len(net.requests.audio[0])
    net.finish()
    assert net.ear.ends == [None]


def test_after_abort_nothing_is_heard_by_either_way(net: Net) -> None:
    net.say(voice(1))
    net.session.abort()
    assert net.stream.is_aborted
    assert (net.ear.results, net.ear.ends) == ([], [])


def test_aborting_the_single_shot_throws_its_answer_away(net: Net) -> None:
    net.say(voice(1))
    net.stream.end(REFUSED)
    net.say(silence(1))
    net.session.abort()
    net.answer("too late")
    assert (net.ear.results, net.ear.ends) == ([], [])
    assert net.clock.getDelayedCalls() == []


# -- and back


def fallen(net: Net) -> None:
    net.say(voice(1))
    net.stream.end(REFUSED)
    net.say(silence(1))
    net.answer("by request")


def test_a_call_that_fell_back_returns_when_a_probe_is_healthy(net: Net) -> None:
    fallen(net)
    net.say(silence(60))
    assert net.probes.session.audio == silence(0.2)
    assert net.probes.session.is_finished
    assert len(net.streams.sessions) == 1
    net.probes.session.end(None)
    assert net.ear.kinds == ["degraded", "recovered"]
    net.say(voice(1))
    assert len(net.streams.sessions) == 2
    assert net.stream.audio.endswith(voice(1))
    net.stream.final("streamed again")
    assert net.ear.finals == ["by request", "streamed again"]
    net.finish()
    net.stream.end()
    assert net.ear.ends == [None]


def test_it_returns_between_two_utterances_only(net: Net) -> None:
    fallen(net)
    net.say(silence(58))
    net.say(voice(2))
    net.probes.session.end(None)
    assert net.ear.kinds == ["degraded"]
    net.say(silence(1))
    assert net.ear.kinds == ["degraded"]
    net.answer("the last by request")
    net.say(silence(0.3))
    assert net.ear.kinds == ["degraded", "recovered"]
    net.finish()


@pytest.mark.parametrize("late", [False, True])
def test_while_probes_fail_it_stays_and_asks_again(net: Net, *, late: bool) -> None:
    fallen(net)
    net.say(silence(60))
    if late:
        net.say(silence(6))
        assert net.probes.session.is_aborted
    else:
        net.probes.session.end(NO_ROUTE)
    assert net.ear.kinds == ["degraded"]
    net.say(silence(61))
    assert len(net.probes.sessions) == 2
    net.finish()


def test_it_need_not_ask() -> None:
    net = Net(recover_seconds=0)
    fallen(net)
    net.say(silence(100))
    assert net.probes.sessions == []
    net.finish()


def test_a_probe_that_answers_after_the_end_changes_nothing(net: Net) -> None:
    fallen(net)
    net.say(silence(60))
    net.finish()
    net.probes.session.end(None)
    assert len(net.streams.sessions) == 1
    assert net.ear.kinds == ["degraded"]


# -- the flag turned while the call is live


def test_switching_off_moves_a_live_call_with_its_audio(net: Net) -> None:
    net.say(voice(1))
    net.stream.partial("hel")
    assert net.flag.turn(is_on=False)
    assert net.stream.is_aborted
    assert [incident.why for incident in net.ear.incidents] == [SWITCHED_OFF]
    net.say(silence(1))
    assert net.requests.audio[0].startswith(voice(1))
    net.answer("by request")
    assert net.ear.finals == ["by request"]
    net.say(silence(120))
    assert net.probes.sessions == [], "what was switched off is not probed"
    net.finish()


def test_switching_on_again_returns_when_nobody_speaks(net: Net) -> None:
    net.say(voice(1))
    net.flag.turn(is_on=False)
    net.flag.turn(is_on=True)
    assert len(net.streams.sessions) == 1
    net.say(silence(1))
    net.answer("by request")
    net.say(silence(0.3))
    assert net.ear.kinds == ["degraded", "recovered"]
    net.say(voice(1))
    assert len(net.streams.sessions) == 2
    net.finish()
    net.stream.end()
    assert net.ear.ends == [None]


def test_switching_off_once_more_before_the_return_stays(net: Net) -> None:
    net.say(voice(1))
    for is_on in (False, True, False):
        net.flag.turn(is_on)
    net.say(silence(1))
    net.answer("by request")
    net.say(silence(5))
    assert net.ear.kinds == ["degraded"]
    assert len(net.streams.sessions) == 1
    net.finish()


def test_turning_to_what_it_is_already_is_no_change() -> None:
    flag = Flag(is_on=True)
    turned: list[str] = []
    flag.watch(lambda: turned.append("turned"))
    assert not flag.turn(is_on=True)
    assert turned == []
    assert flag.is_on


def test_a_hundred_calls_follow_the_flag() -> None:
    flag, turned = Flag(is_on=True), list[int]()
    watchers = [lambda number=number: turned.append(number) for number in range(100)]
    for watcher in watchers:
        flag.watch(watcher)
    assert flag.watched_by == 100
    flag.turn(is_on=False)
    assert sorted(turned) == list(range(100))
    for watcher in watchers:
        flag.forget(watcher)
    assert flag.watched_by == 0
