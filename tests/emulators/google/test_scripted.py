import hashlib
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emulators.google.client import cut
from voicestt.emulators.google import script
from voicestt.emulators.google.scripted import ScriptEngine, recording_key, stream_key
from voicestt.emulators.google.timeline import clip_of
from voicestt.recognisers.whisper.engine.port import EngineResult, Request, TimedWord

ASKED = Request("iw-IL")
WITH_WORDS = Request("iw-IL", word_times=True)
SCRIPT = script.parse(
    """{
      "utterances": [
        {"text": "שלום {key} אני מתקשר לגבי ההזמנה {round}", "start": 0.5, "end": 2.5},
        {"text": "תודה רבה", "start": 2.6, "end": 3.2},
        {"text": "להתראות", "start": 4.2, "end": 4.6}
      ],
      "repeat": 6
    }"""
)
PLAIN = script.parse(
    '{"quirks": false, "utterances": [{"text": "one two three", "start": 0, "end": 3},'
    '{"text": "four", "start": 5, "end": 6}]}'
)


class Ears:
    """A listener that keeps all it is told."""

    def __init__(self) -> None:
        self.told: list[EngineResult] = []
        self.ends: list[Exception | None] = []

    def heard(self, heard: EngineResult) -> None:
        self.told.append(heard)

    def ended(self, error: Exception | None) -> None:
        self.ends.append(error)


def hear(said: script.Script, pieces: list[bytes], asked: Request = ASKED) -> list[EngineResult]:
    ears = Ears()
    stream = ScriptEngine(said).open(asked, ears)
    for piece in pieces:
        stream.write(piece)
    stream.finish()
    assert ears.ends == [None]
    return ears.told


def finals(told: list[EngineResult]) -> list[str]:
    return [heard.text for heard in told if heard.is_final]


def test_words_come_one_by_one_and_the_final_after_the_pause() -> None:
    ears = Ears()
    stream = ScriptEngine(PLAIN).open(ASKED, ears)
    at: list[tuple[float, str, bool]] = []
    for tenth in range(1, 60):
        stream.write(bytes(1_600))
        at += [(tenth / 10, heard.text, heard.is_final) for heard in ears.told]
        ears.told.clear()
    assert at == [
        (1.0, "one", False),
        (2.0, "one two", False),
        (3.0, "one two three", False),
        (3.5, "one two three", True),
    ]


def test_results_end_where_their_words_end() -> None:
    told = hear(PLAIN, [bytes(2 * 8_000 * 7)])
    assert [heard.end for heard in told if heard.is_final] == [24_000, 48_000]


def test_words_have_the_times_that_the_script_gives_them() -> None:
    told = hear(PLAIN, [bytes(2 * 8_000 * 7)], WITH_WORDS)
    assert [heard.words for heard in told if heard.is_final] == [
        (TimedWord("one", 0, 8_000), TimedWord("two", 8_000, 16_000), TimedWord("three", 16_000, 24_000)),
        (TimedWord("four", 40_000, 48_000),),
    ]
    assert not any(heard.words for heard in told if not heard.is_final)


def test_nobody_who_did_not_ask_is_given_words() -> None:
    assert not any(heard.words for heard in hear(PLAIN, [bytes(2 * 8_000 * 7)]))
    assert not any(heard.words for heard in ScriptEngine(PLAIN).recognise(ASKED, bytes(2 * 8_000 * 7)))


def test_words_of_half_an_utterance_are_those_that_were_heard_at_the_stream_s_own_time() -> None:
    pcm = clip_of(PLAIN, 1, 7)
    first = hear(PLAIN, [pcm[: 2 * 17_000]], WITH_WORDS)[-1]
    assert first.words == (TimedWord("one", 0, 8_000), TimedWord("two", 8_000, 16_000))
    rest = [heard for heard in hear(PLAIN, [pcm[2 * 12_000 :]], WITH_WORDS) if heard.is_final]
    assert [heard.words for heard in rest] == [
        (TimedWord("three", 4_000, 12_000),),
        (TimedWord("four", 28_000, 36_000),),
    ]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60_000), st.integers(1, 60_000))
def test_words_are_the_text_and_within_what_came(start: int, length: int) -> None:
    pcm = clip_of(SCRIPT, 5, 12)[2 * start : 2 * (start + length)]
    for heard in hear(SCRIPT, [pcm], WITH_WORDS):
        if heard.is_final:
            assert " ".join(word.text for word in heard.words) == heard.text
            assert all(0 <= word.start < word.end <= heard.end for word in heard.words)
            assert heard.words[-1].end == heard.end <= length


def test_half_close_gives_the_words_so_far() -> None:
    assert finals(hear(PLAIN, [bytes(2 * 17_000)])) == ["one two"]


def test_partials_repeat_and_shrink_as_googles_do() -> None:
    shown = [heard.text.count(" ") + 1 for heard in hear(SCRIPT, [bytes(2 * 8_000 * 2)]) if not heard.is_final]
    assert any(earlier == later for earlier, later in itertools.pairwise(shown))
    assert any(earlier > later for earlier, later in itertools.pairwise(shown))


def test_the_key_is_that_of_the_first_20_ms() -> None:
    pcm = bytes(range(256)) * 200
    assert stream_key(pcm) == hashlib.sha256(pcm[:320]).hexdigest()[:8]
    assert stream_key(pcm) in finals(hear(SCRIPT, cut(pcm, 100)))[0]


def test_in_watermarked_audio_the_key_is_the_calls_number() -> None:
    assert finals(hear(SCRIPT, cut(clip_of(SCRIPT, 77, 12)))) == [
        "שלום 77 אני מתקשר לגבי ההזמנה 0",
        "תודה רבה",
        "להתראות",
        "שלום 77 אני מתקשר לגבי ההזמנה 1",
        "תודה רבה",
        "להתראות",
    ]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 4_000)), st.booleans())
def test_only_the_audio_counts_not_its_messages(sizes: list[int], coded: bool) -> None:
    pcm = clip_of(SCRIPT, 5, 7) if coded else bytes(2 * 8_000 * 7)
    cuts = [0, *itertools.accumulate(2 * size for size in sizes)]
    pieces = [pcm[start:end] for start, end in itertools.pairwise(cuts)] + [pcm[cuts[-1] :]]
    assert hear(SCRIPT, pieces) == hear(SCRIPT, [pcm])


@settings(max_examples=30, deadline=None)
@given(st.integers(8_000, 80_000))
def test_a_seam_at_the_last_final_loses_nothing_and_doubles_nothing(seam: int) -> None:
    pcm = clip_of(SCRIPT, 5, 12)
    before = [heard for heard in hear(SCRIPT, [pcm[: 2 * seam]]) if heard.is_final]
    covered = before[-1].end if before else 0
    after = hear(SCRIPT, [pcm[2 * covered :]])
    spoken = " ".join([heard.text for heard in before] + finals(after))
    assert spoken.split() == " ".join(finals(hear(SCRIPT, [pcm]))).split()


def test_a_word_that_was_cut_is_heard_by_neither_side() -> None:
    pcm = clip_of(PLAIN, 1, 7)
    assert finals(hear(PLAIN, [pcm[: 2 * 12_000]])) == ["one"]
    assert finals(hear(PLAIN, [pcm[2 * 12_000 :]])) == ["three", "four"]


def test_nothing_is_told_after_abort() -> None:
    ears = Ears()
    stream = ScriptEngine(PLAIN).open(ASKED, ears)
    stream.write(bytes(2 * 9_000))
    stream.abort()
    stream.write(bytes(2 * 9_000))
    stream.finish()
    assert [heard.text for heard in ears.told] == ["one"]
    assert ears.ends == []


def test_a_recording_has_the_words_that_lie_in_it() -> None:
    pcm = clip_of(SCRIPT, 9, 12)
    recording = pcm[2 * 8_000 * 2 : 2 * 8_000 * 5]
    assert [heard.text for heard in ScriptEngine(SCRIPT).recognise(ASKED, recording)] == [
        "0",
        "תודה רבה",
        "להתראות",
    ]


def test_recordings_may_have_texts_of_their_own_that_prove_the_audio() -> None:
    engine = ScriptEngine(script.parse('{"recordings": ["one {sha}", "two {key}"]}'))
    pcm = bytes(range(200)) * 10
    texts = [engine.recognise(ASKED, pcm)[0].text for _ in range(3)]
    assert texts == [f"one {recording_key(pcm)}", f"two {stream_key(pcm)}", f"one {recording_key(pcm)}"]
    (heard,) = engine.recognise(WITH_WORDS, pcm)
    assert heard.words == (TimedWord("two", 0, 272), TimedWord(stream_key(pcm), 272, 1_000))
    assert recording_key(pcm) == hashlib.sha256(pcm).hexdigest()[:8]
    engine.close()
