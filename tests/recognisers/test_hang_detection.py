"""A stream that lives is not taken for hung, whatever sounds; a hung one is noticed, whoever speaks."""

from dataclasses import replace

import pytest

from tests.recognisers.any_sound import (
    SECOND,
    Call,
    Habit,
    placed,
    quieter,
    recordings,
    with_noise,
    words_of,
)
from tests.sounds import SOUNDS, encoded, sound
from voicestt.recognisers.streaming import StreamLimits

SPEECH = recordings(3)
WORDS = words_of(SPEECH)
TALK = quieter(SPEECH, -12)
MUTE = Habit(is_mute=True)


@pytest.fixture(scope="module")
def fresh() -> float:
    """The time of the first partial in a call that begins with the speech."""
    call = Call(WORDS)
    call.say(encoded(TALK))
    return call.partials_at[0]


@pytest.mark.parametrize("name", SOUNDS)
def test_a_minute_of_any_sound_and_then_speech(name: str, fresh: float) -> None:
    call = Call(placed(WORDS, 60 * SECOND))
    call.say(sound(name, 60))
    call.say(encoded(TALK))
    assert call.hang_up() is None, "that is degraded"
    assert call.heard.kinds == []
    assert call.missing == []
    assert call.partials_at[0] - 60 <= fresh + 0.5
    assert call.google_seconds <= 1.15 * (60 + len(TALK) / SECOND)
    totals = call.ledger.totals
    assert totals.given_up == 0
    assert totals.uncovered == 0 or totals.recognised + totals.passed_over + totals.uncovered == totals.received


def test_after_forty_seconds_of_music_the_first_final_is_in_time() -> None:
    undisturbed, call = Call(WORDS), Call(placed(WORDS, 40 * SECOND))
    undisturbed.say(encoded(TALK))
    call.say(sound("hold music", 40))
    call.say(encoded(TALK))
    assert call.finals_at[0] - 40 <= undisturbed.finals_at[0] + 0.5
    assert call.hang_up() is None
    assert call.missing == []


@pytest.mark.parametrize("name", ["line noise", "loud noise", "crackling line", "babble"])
def test_silent_callers_on_noisy_lines_cost_little_more_than_their_audio(name: str) -> None:
    noise = sound(name, 90)
    calls = [Call([]) for _ in range(8)]
    for call in calls:
        call.say(noise)
        assert call.hang_up() is None, "that is degraded"
        assert call.heard.kinds == []
    assert sum(len(call.streams) for call in calls) <= 8 * 7, "one each, and six to compare with, 2 s each"
    assert sum(call.google_seconds for call in calls) <= 1.15 * 8 * 90


@pytest.mark.parametrize("is_whole_service", [False, True])
@pytest.mark.parametrize("decibels", [0, -20, -30])
def test_a_hung_stream_is_noticed_within_8_seconds_of_speech(decibels: float, is_whole_service: bool) -> None:
    call = Call([*WORDS, *placed(WORDS, len(SPEECH))])
    speech = encoded(quieter(SPEECH, decibels))
    call.say(speech)
    assert call.heard.kinds == []
    call.streams[0].habit = MUTE
    if is_whole_service:
        call.habit = MUTE
    started = call.clock.seconds()
    for at in range(0, len(speech), 800):
        call.say(speech[at : at + 800])
        if call.heard.kinds:
            break
    assert call.heard.kinds == ["restarted"]
    assert "speech, and no answer for" in call.heard.incidents[0].why
    assert call.clock.seconds() - started <= 8
    call.habit = Habit()
    call.say(speech[at + 800 :])
    if not is_whole_service:
        assert call.hang_up() is None
        assert call.missing == []


@pytest.mark.parametrize("decibels", [0, -20, -30])
def test_a_stream_that_is_hung_from_the_first_is_noticed_within_8_seconds(decibels: float) -> None:
    call = Call(WORDS)
    call.next_habits = [MUTE]
    speech = encoded(quieter(SPEECH, decibels))
    call.say(speech[: 8 * SECOND])
    assert call.heard.kinds == ["restarted"]
    call.say(speech[8 * SECOND :])
    assert call.hang_up() is None
    assert call.missing == []


def test_what_is_said_to_a_stream_that_hung_under_music_is_kept() -> None:
    call = Call(placed(WORDS, 20 * SECOND))
    music = sound("hold music", 20)
    call.say(music[: 15 * SECOND])
    call.streams[0].habit = MUTE
    call.say(music[15 * SECOND :])
    call.say(encoded(TALK))
    call.say(sound("line noise", 15))
    call.hang_up()
    if call.missing:
        assert call.ledger.start <= call.words[call.missing[0]][0], "the single request gets it"
    assert call.ledger.totals.given_up == 0


@pytest.mark.parametrize(
    "habit",
    [
        Habit(latency=6.0),
        Habit(latency=6.0, interval=5.0),
        Habit(latency=1.0, interval=5.0),
        Habit(latency=2.4, interval=None),
        Habit(latency=6.0, interval=None),
    ],
    ids=["late", "late, few interims", "few interims", "finals only", "late, finals only"],
)
def test_a_slow_service_is_not_hung(habit: Habit) -> None:
    call = Call([*WORDS, *placed(WORDS, len(SPEECH))], habit, replace(StreamLimits(), drain=10.0))
    call.say(encoded(TALK))
    call.say(encoded(TALK))
    assert call.hang_up() is None
    assert call.heard.kinds == []
    assert call.missing == []


@pytest.mark.parametrize("snr", [None, 20, 10, 5])
@pytest.mark.parametrize("decibels", [0, -20, -30, -40])
def test_no_word_is_missing_across_seams_however_quiet_or_noisy(decibels: float, snr: float | None) -> None:
    call = Call(WORDS, limits=replace(StreamLimits(), soft=3.0, hard=5.0))
    speech = SPEECH if snr is None else with_noise(SPEECH, snr)
    call.say(encoded(quieter(speech, decibels)))
    assert call.hang_up() is None
    assert "rotated" in call.heard.kinds
    assert "restarted" not in call.heard.kinds
    assert call.missing == []


def test_what_a_mute_stream_was_given_is_never_passed_over() -> None:
    call = Call(WORDS, limits=replace(StreamLimits(), restarts=100))
    call.habit = MUTE
    call.say(encoded(quieter(SPEECH, -20)))
    assert call.ledger.start <= WORDS[0][0]


def test_what_a_living_stream_has_answered_with_silence_is_not_sent_again() -> None:
    call = Call([])
    call.say(sound("babble", 90))
    assert call.ledger.totals.uncovered < 45 * SECOND
    handed = call.ledger.totals.handed
    call.streams[0]._listener.ended(None)  # it breaks
    for _ in range(200):
        call.clock.advance(0.1)
    assert call.ledger.totals.handed - handed < 45 * SECOND
    call.session.abort()
