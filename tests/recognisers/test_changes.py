"""A call's options change in the middle of it: every word is heard once, by the old options or by the new ones."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recognisers.simulated import SECOND, Manner, Stream, World, energy_voicing, numbers_in
from tests.recognisers.test_streaming import DEAF, LIMITS, MANNERS, SILENCE, Conversation
from voicestt.audio import vad
from voicestt.config.recognition_options import NOTHING_SAID, RecognitionOptions
from voicestt.recognisers.port import RecogniserError, ResultListener
from voicestt.recognisers.streaming import Endless, StreamLimits
from voicestt.recognisers.tuning import Tuning

ENGLISH, HEBREW = RecognitionOptions(language="en-US"), RecognitionOptions(language="he-IL")
ARABIC = RecognitionOptions(language="ar-IL")
LONG = StreamLimits(soft=240.0, hard=285.0, hold=2.0, silent=30.0, queue=2.0, drain=1.5, window=10.0)
REFUSED = RecogniserError("INVALID_ARGUMENT", "there is no such language")


@pytest.fixture(autouse=True, scope="module")
def _voicing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vad, "webrtc_voicing", energy_voicing)
        yield


class TunedWorld(World):
    """A World that keeps the options that its streams were opened with, and refuses those that it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.options: list[RecognitionOptions] = []
        self.refuses: RecognitionOptions | None = None

    def open_with(self, listener: ResultListener, options: RecognitionOptions) -> Stream:
        self.options.append(options)
        if options == self.refuses:
            self.next_manners.insert(0, Manner(fails_after=1, error=REFUSED))
        return self.open(listener)


class TunedConversation(Conversation):
    """A Conversation whose options may change."""

    def __init__(self, limits: StreamLimits = LIMITS) -> None:
        super().__init__(limits)
        self.session.abort()
        self.world: TunedWorld = TunedWorld()
        self.tuning = Tuning(HEBREW)
        endless = Endless(self.clock, self.world, limits, lambda: 0.5)
        self.session = endless.open(self.heard, self.ledger, self.tuning)

    def change(self, options: RecognitionOptions, *, at_once: bool = False) -> None:
        if self.tuning.change(options) and not self.is_over:
            self.session.change(at_once=at_once)


def speak_until_a_partial(talk: Conversation) -> None:
    while not talk.heard.partials:
        talk.speak(1_200)


def test_the_next_final_is_the_seam() -> None:
    talk = TunedConversation(LONG)
    speak_until_a_partial(talk)
    talk.change(ENGLISH)
    assert talk.world.options == [HEBREW], "words are under way"
    while len(talk.world.options) < 2:
        talk.speak(1_200)
    assert talk.world.options == [HEBREW, ENGLISH]
    assert talk.heard.finals, "it waited for a final"
    talk.speak(8 * SECOND)
    talk.hang_up()
    talk.check()
    assert "rotated" in talk.heard.kinds


def test_silence_is_a_seam_too() -> None:
    talk = TunedConversation(LONG)
    talk.world.manner = DEAF
    talk.play(1.0, SILENCE)
    talk.change(ENGLISH)
    talk.play(0.2, SILENCE)
    assert talk.world.options == [HEBREW, ENGLISH]
    talk.abort()


def test_at_once_the_utterance_under_way_is_recognised_by_the_new_options_as_a_whole() -> None:
    talk = TunedConversation(LONG)
    speak_until_a_partial(talk)
    assert not talk.heard.finals
    talk.change(ENGLISH, at_once=True)
    talk.speak(1_200)
    assert talk.world.options[:2] == [HEBREW, ENGLISH]
    assert talk.world.streams[1].start == 0
    talk.speak(8 * SECOND)
    talk.hang_up()
    talk.check()


def test_what_is_refused_is_taken_back_and_no_word_is_lost() -> None:
    talk = TunedConversation(LONG)
    talk.world.refuses = ENGLISH
    talk.speak(SECOND)
    talk.change(ENGLISH, at_once=True)
    talk.speak(8 * SECOND)
    talk.hang_up()
    talk.check()
    assert talk.heard.kinds.count("refused") == 1
    assert talk.tuning.options == HEBREW
    assert talk.world.options.count(ENGLISH) == 1, "it is not asked for again"
    assert numbers_in(talk.heard.finals), "the call went on"


def test_options_of_the_calls_start_that_are_refused_end_its_streams() -> None:
    talk = TunedConversation(LONG)
    talk.world.refuses = HEBREW
    talk.speak(SECOND)
    assert talk.heard.ends == [REFUSED]


def test_a_change_says_what_differs_and_none_restores_what_the_call_began_with() -> None:
    tuning = Tuning(HEBREW)
    assert tuning.change(RecognitionOptions(model="default"))
    assert tuning.options == RecognitionOptions(language="he-IL", model="default")
    assert not tuning.change(RecognitionOptions(model="default")), "nothing differs"
    assert tuning.change(NOTHING_SAID)
    assert tuning.options == HEBREW


def test_what_has_been_answered_to_is_not_taken_back() -> None:
    tuning = Tuning()
    tuning.change(ENGLISH)
    tuning.proved()
    assert not tuning.take_back(REFUSED)
    assert tuning.options == ENGLISH


def storm(talk: TunedConversation, seconds: float, every: int = SECOND * 3 // 10) -> None:
    """Change the options in the middle of whatever is said, again and again, while the caller speaks."""
    for turn in range(round(seconds * SECOND / every)):
        talk.change(ENGLISH if turn % 2 == 0 else HEBREW, at_once=True)
        talk.speak(every)


def test_changes_in_quick_succession_do_not_keep_words_back_after_the_service_was_mute() -> None:
    talk = TunedConversation(replace(LONG, silent=3.0))
    talk.speak(2 * SECOND)
    talk.world.manner = DEAF
    talk.fail(0, RecogniserError("UNAVAILABLE", "no route"))
    storm(talk, 10)
    before = len(numbers_in(talk.heard.finals))
    talk.world.manner = Manner()
    storm(talk, 12)
    assert len(numbers_in(talk.heard.finals)) > before + 20, "they are not kept until the call ends"
    talk.hang_up()
    talk.settle()
    talk.check()


def test_changes_in_quick_succession_do_not_hide_that_the_service_is_mute() -> None:
    talk = TunedConversation(replace(LONG, silent=3.0))
    talk.speak(2 * SECOND)
    talk.world.manner = DEAF
    talk.fail(0, RecogniserError("UNAVAILABLE", "no route"))
    talk.heard.incidents.clear()
    storm(talk, 15)
    assert any("no answer" in incident.why for incident in talk.heard.incidents), talk.heard.incidents
    talk.abort()


def test_changes_in_quick_succession_open_few_streams() -> None:
    talk = TunedConversation(LONG)
    speak_until_a_partial(talk)
    for turn in range(50):
        talk.change(RecognitionOptions(model=f"m{turn}"), at_once=turn % 2 == 0)
    talk.speak(SECOND)
    assert len(talk.world.options) <= 3
    assert talk.world.options[-1].model == "m49"
    talk.speak(8 * SECOND)
    talk.hang_up()
    talk.check()


@pytest.mark.parametrize("latency", [0.1, 1.5])  # the refusal comes before the successor takes charge, and after
def test_the_refusal_of_a_change_that_another_has_replaced_does_not_end_the_streams(latency: float) -> None:
    talk = TunedConversation(LONG)
    speak_until_a_partial(talk)
    talk.world.next_manners = [Manner(latency=latency, fails_after=1, error=REFUSED)]
    talk.change(ENGLISH, at_once=True)
    while len(talk.world.options) < 2:
        talk.speak(400)
    talk.change(ARABIC, at_once=True)
    talk.speak(8 * SECOND)
    talk.hang_up()
    talk.check()
    assert talk.heard.ends == [None]
    assert talk.world.options[2:] == [ARABIC], "it comes at once, and is not taken back"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("speak"), st.integers(400, 3 * SECOND)),
        st.tuples(
            st.just("change"), st.tuples(st.sampled_from([ENGLISH, ARABIC, HEBREW, NOTHING_SAID]), st.booleans())
        ),
        st.tuples(st.just("refuse"), st.sampled_from([ENGLISH, ARABIC])),
        st.tuples(st.just("wait"), st.floats(0.0, 1.0)),
        st.tuples(st.just("pause"), st.floats(0.0, 3.0)),
        st.tuples(st.just("fail"), st.integers(0, 1)),
        st.tuples(st.just("manner"), MANNERS),
    ),
    max_size=14,
)


@settings(max_examples=100)
@given(steps=STEPS)
def test_whatever_changes_and_whatever_fails_every_word_is_heard_once(steps: list[tuple[str, object]]) -> None:
    talk = TunedConversation()
    for kind, value in steps:
        match kind, value:
            case "speak", int(size):
                talk.speak(size)
            case "change", (RecognitionOptions() as options, bool(at_once)):
                talk.change(options, at_once=at_once)
            case "refuse", RecognitionOptions() as options:
                talk.world.refuses = options
            case "wait", float(seconds):
                talk.pass_time(seconds)
            case "pause", float(seconds):
                talk.pause(seconds)
            case "fail", int(which):
                talk.fail(which, RecogniserError("UNAVAILABLE", "no route"))
            case "manner", Manner() as manner:
                talk.world.next_manners.append(manner)
    talk.hang_up()
    talk.settle()
    talk.check()
