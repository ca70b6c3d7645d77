from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import sounds
from tests.recognisers.whisper.engine.voices import austen_clips
from voicestt.audio import mulaw
from voicestt.audio.endpointing import (
    Endpointer,
    Rules,
    Segment,
    webrtc_voicing,
)

FRAME = 160
VOICED, UNVOICED = b"\x01\x00" * FRAME, b"\x00\x00" * FRAME
QUICK = Rules(pre_roll_ms=100, pause_ms=200, longest_ms=600)

voicings = st.lists(st.booleans(), max_size=200) | st.lists(
    st.tuples(st.booleans(), st.integers(1, 40)), max_size=12
).map(lambda runs: [voiced for voiced, length in runs for _ in range(length)])
EARLY = Rules(pre_roll_ms=100, pause_ms=200, longest_ms=800, cut_within_ms=400, early_ms=500)
rules = st.sampled_from([QUICK, EARLY, Rules(), Rules(pre_roll_ms=0, pause_ms=20, longest_ms=180)])


def audio(voicing: list[bool]) -> bytes:
    return b"".join(VOICED if voiced else UNVOICED for voiced in voicing)


def frames(count: int, voiced: bool) -> bytes:
    return audio([voiced] * count)


def marked(frame: bytes) -> bool:
    return frame[0] == 1


def segments_of(pcm: bytes, rules: Rules = QUICK, splits: tuple[int, ...] = ()) -> list[Segment]:
    endpointer = Endpointer(marked, rules)
    cuts = sorted({0, len(pcm), *(2 * (split % (len(pcm) // 2 + 1)) for split in splits)})
    found = [segment for a, b in pairwise(cuts) for segment in endpointer.write(pcm[a:b])]
    last = endpointer.finish()
    return found if last is None else [*found, last]


def test_silence_has_no_segment() -> None:
    assert segments_of(frames(500, voiced=False)) == []


def test_four_voiced_frames_are_not_speech() -> None:
    assert segments_of(frames(20, voiced=False) + frames(4, voiced=True) + frames(20, voiced=False)) == []


def test_an_utterance_reaches_back_by_the_pre_roll_and_holds_its_pause() -> None:
    pcm = frames(50, voiced=False) + frames(15, voiced=True) + frames(30, voiced=False)
    assert segments_of(pcm) == [Segment(45 * FRAME, 75 * FRAME, cut=False)]
    assert segments_of(pcm)[0].voiced_until == 65 * FRAME


def test_five_voiced_frames_of_eight_are_enough() -> None:
    gaps = audio([True, False, True, True, False, True, False, True])
    assert segments_of(frames(5, voiced=False) + gaps)[0].start == 0


def test_the_pre_roll_never_reaches_into_the_segment_before() -> None:
    word = frames(10, voiced=True)
    first, second = segments_of(word + frames(11, voiced=False) + word, Rules(pre_roll_ms=400, pause_ms=200))
    assert second.start == first.end == 20 * FRAME


def test_a_long_utterance_is_cut_and_nothing_is_lost_between() -> None:
    first, second, third = segments_of(frames(70, voiced=True))
    assert (first, second) == (Segment(0, 30 * FRAME, cut=True), Segment(30 * FRAME, 60 * FRAME, cut=True))
    assert third == Segment(60 * FRAME, 70 * FRAME, cut=False)


def test_a_long_utterance_is_cut_in_its_last_gap_between_words() -> None:
    loud, quiet = b"\x00\x08" * FRAME, b"\x03\x00" * FRAME
    voiced = Endpointer(lambda _frame: True, QUICK)
    found = voiced.write(loud * 12 + quiet * 3 + loud * 5 + quiet * 3 + loud * 20)
    assert found[0] == Segment(0, 22 * FRAME, cut=True)
    assert voiced.speaking_since == 22 * FRAME


def noisy(*runs: tuple[int, int]) -> list[Segment]:
    """The segments of a line whose noise passes for a voice: runs of frames, and how loud they are."""
    pcm = b"".join(level.to_bytes(2, "little") * FRAME * count for level, count in runs)
    endpointer = Endpointer(lambda _frame: True, Rules(cut_within_ms=4_000, early_ms=6_000))
    return endpointer.write(pcm)


def test_a_noisy_line_is_cut_from_six_seconds_on_in_the_latest_gap_between_words() -> None:
    found = noisy((1_000, 150), (300, 20), (1_000, 100), (300, 10), (1_000, 50), (1_000, 200))
    assert found[0] == Segment(0, 275 * FRAME, cut=True), "in the middle of the latest gap"


def test_a_word_that_begins_softly_is_not_cut_at_its_beginning() -> None:
    found = noisy((1_000, 270), (10, 35), (300, 20), (1_000, 200))
    assert found[0].end // FRAME in range(280, 300), "in the silence, and not in the soft beginning behind it"


def test_a_gap_that_comes_late_is_waited_for() -> None:
    found = noisy((1_000, 400), (300, 10), (1_000, 100))
    assert found[0] == Segment(0, 405 * FRAME, cut=True)


@pytest.mark.parametrize("gap", [(300, 7), (400, 20)], ids=["as short as a t", "as loud as a soft word"])
def test_what_may_be_within_a_word_is_no_gap(gap: tuple[int, int]) -> None:
    assert noisy((1_000, 290), gap, (1_000, 300)) == []


def test_steady_noise_is_cut_late() -> None:
    assert [segment.end // FRAME for segment in noisy((1_000, 800))] == [700]


def test_nothing_follows_a_cut_when_nothing_more_is_voiced() -> None:
    assert segments_of(frames(30, voiced=True) + frames(40, voiced=False)) == [Segment(0, 30 * FRAME, cut=True)]


def test_begin_takes_speech_for_granted_from_here_on() -> None:
    endpointer = Endpointer(marked, QUICK)
    endpointer.write(frames(7, voiced=False))
    endpointer.begin()
    assert endpointer.speaking_since == 7 * FRAME
    endpointer.write(frames(1, voiced=True) + frames(2, voiced=False))
    assert endpointer.finish() == Segment(7 * FRAME, 10 * FRAME, cut=False)


def test_begin_without_a_voiced_frame_gives_no_segment() -> None:
    endpointer = Endpointer(marked, QUICK)
    endpointer.begin()
    assert endpointer.write(frames(20, voiced=False)) == []
    assert endpointer.speaking_since is None


def test_begin_changes_nothing_while_a_segment_runs() -> None:
    endpointer = Endpointer(marked, QUICK)
    endpointer.write(frames(8, voiced=True))
    endpointer.begin()
    assert endpointer.speaking_since == 0


def test_finish_takes_the_last_broken_frame_too() -> None:
    assert segments_of(frames(6, voiced=True) + b"\x01\x00" * 7) == [Segment(0, 6 * FRAME + 7, cut=False)]


def test_where_it_stands_is_known() -> None:
    endpointer = Endpointer(marked, QUICK)
    endpointer.write(frames(20, voiced=False) + frames(4, voiced=True) + b"\0\0" * 3)
    assert (endpointer.position, endpointer.last_voiced) == (24 * FRAME + 3, 24 * FRAME)
    assert endpointer.speaking_since is None
    assert endpointer.needed_from <= 15 * FRAME


def test_speech_is_detected_later_than_it_starts() -> None:
    endpointer = Endpointer(marked, QUICK)
    endpointer.write(frames(20, voiced=False) + frames(9, voiced=True))
    assert (endpointer.speaking_since, endpointer.detected_at) == (15 * FRAME, 25 * FRAME)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="odd number"):
        Endpointer(marked).write(b"\0\0\0")


@pytest.mark.parametrize(
    "wrong",
    [
        {"voiced_ms": 200},
        {"voiced_ms": 0},
        {"pre_roll_ms": -20},
        {"pause_ms": 0},
        {"longest_ms": 1_000},
        {"early_ms": 2_000},
    ],
)
def test_rules_that_contradict_themselves_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        Rules(**wrong)


@given(voicings, rules)
def test_segments_are_ordered_disjoint_and_not_too_long(voicing: list[bool], rules: Rules) -> None:
    found = segments_of(audio(voicing), rules)
    assert all(0 <= segment.start < segment.end <= len(voicing) * FRAME for segment in found)
    assert all(before.end <= after.start for before, after in pairwise(found))
    assert all(segment.end - segment.start <= rules.longest_ms * 8 for segment in found)
    assert all(segment.start < segment.voiced_until <= segment.end for segment in found)


@given(voicings, rules, st.lists(st.integers(0, 100_000), max_size=20))
def test_it_does_not_matter_how_the_audio_is_split(voicing: list[bool], rules: Rules, splits: list[int]) -> None:
    pcm = audio(voicing)
    assert segments_of(pcm, rules, tuple(splits)) == segments_of(pcm, rules)


@given(voicings, rules)
def test_five_voiced_frames_in_a_row_are_always_inside(voicing: list[bool], rules: Rules) -> None:
    found = segments_of(audio(voicing), rules)
    inside = {sample for segment in found for sample in range(segment.start, segment.end, FRAME)}
    for at in range(len(voicing) - 4):
        if all(voicing[at : at + 5]):
            assert inside.issuperset(range(at * FRAME, (at + 5) * FRAME, FRAME))


@given(voicings, rules)
def test_after_a_cut_the_next_voiced_frame_belongs_to_a_segment_that_starts_there(
    voicing: list[bool], rules: Rules
) -> None:
    found = segments_of(audio(voicing), rules)
    for before, after in pairwise(found):
        pause = rules.pause_ms // 20
        if before.cut and any(voicing[before.end // FRAME :][:pause]):
            assert after.start == before.end


@given(voicings, rules)
def test_no_segment_begins_before_what_is_kept(voicing: list[bool], rules: Rules) -> None:
    endpointer, kept_from = Endpointer(marked, rules), 0
    for voiced in voicing:
        for segment in endpointer.write(frames(1, voiced)):
            assert segment.start >= kept_from
        assert endpointer.needed_from >= kept_from
        kept_from = endpointer.needed_from


def test_the_webrtc_detector_does_not_take_silence_for_speech() -> None:
    is_voiced = webrtc_voicing(2)
    assert not any(is_voiced(UNVOICED) for _ in range(20))


@pytest.mark.parametrize("decibels", [30, 20, 10], ids=lambda decibels: f"{decibels} dB SNR")
def test_real_speech_on_a_noisy_line_is_cut_between_its_words(decibels: int) -> None:
    speech = sounds.decoded(mulaw.encode(np.frombuffer(b"".join(austen_clips().values()) * 2, "<i2")))
    spoken = speech[np.abs(speech) > 0.001]
    noise = sounds.at_level(sounds.white(len(speech) / 8_000), 10 * np.log10(np.mean(spoken**2)) - decibels)
    line = mulaw.decode(sounds.encoded(speech + noise))
    found = Endpointer(webrtc_voicing(0), Rules(cut_within_ms=4_000, early_ms=6_000)).write(line)
    assert len(found) > 6
    assert max(segment.end - segment.start for segment in found) <= 7 * 8_000
    loudness = np.abs(speech[: len(speech) // FRAME * FRAME]).reshape(-1, FRAME).mean(1)
    loud = np.percentile(loudness, 90)
    for segment in found:
        at = segment.end // FRAME
        assert loudness[at - 2 : at + 2].max() < 0.3 * loud, "the cut is where the talker is quiet"
