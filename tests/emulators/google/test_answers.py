from typing import Any

from voicestt.emulators.google.answers import ResponseBuilder, recognised, split
from voicestt.emulators.google.limits import Code
from voicestt.emulators.google.speech_activity import SpeechEvent, SpeechEventKind
from voicestt.emulators.google.versions import ServiceV1, ServiceV2
from voicestt.recognisers.whisper.engine.port import EngineResult, TimedWord


def partial(text: str, end: int = 8_000, stability: float = 0.1) -> EngineResult:
    return EngineResult(text, is_final=False, end=end, stability=stability)


def final(text: str, end: int = 8_000) -> EngineResult:
    return EngineResult(text, is_final=True, end=end, confidence=0.9)


def told(response: Any) -> list[tuple[str, bool]]:
    return [(result.alternatives[0].transcript, result.is_final) for result in response.results]


def test_a_long_partial_has_a_stable_and_an_unstable_part() -> None:
    (response,) = ResponseBuilder(ServiceV1(), "iw-IL").say([partial("שלום אני מתקשר לגבי ההזמנה")])
    assert told(response) == [("שלום אני מתקשר", False), (" לגבי ההזמנה", False)]
    assert [round(result.stability, 2) for result in response.results] == [0.9, 0.1]


def test_a_short_or_a_stable_partial_is_one_result() -> None:
    assert split(partial("one two three")) == ("", "one two three")
    assert split(partial("one two three four", stability=0.9)) == ("", "one two three four")


def test_a_final_and_the_next_partial_come_in_one_response() -> None:
    responses = ResponseBuilder(ServiceV1(), "en-US").say(
        [partial("a"), final("a b"), partial("c"), partial("c d")]
    )
    assert [told(response) for response in responses] == [
        [("a", False)],
        [("a b", True), (" c", False)],
        [(" c d", False)],
    ]


def test_two_finals_are_two_responses() -> None:
    responses = ResponseBuilder(ServiceV1(), "en-US").say([final("a"), final("b")])
    assert [told(response) for response in responses] == [[("a", True)], [(" b", True)]]


def test_a_result_says_its_language_and_where_it_ends() -> None:
    (response,) = ResponseBuilder(ServiceV1(), "iw-IL").say([final("שלום", end=12_001)])
    result = response.results[0]
    assert result.language_code == "iw-il"
    assert (result.result_end_time.seconds, result.result_end_time.nanos) == (1, 500_125_000)
    assert round(result.alternatives[0].confidence, 2) == 0.9


def test_a_final_has_its_words_where_the_engine_gives_them() -> None:
    heard = EngineResult(
        "a b", is_final=True, end=16_000, words=(TimedWord("a", 0, 4_000), TimedWord("b", 8_001, 16_000))
    )
    said = ResponseBuilder(ServiceV1(), "en-US").say([final("first"), heard])[1]
    recorded = recognised(ServiceV2(), [final("first"), heard], "en-US", 2)
    words = [response.results[-1].alternatives[0].words for response in (said, recorded)]
    assert [[word.word for word in each] for each in words] == [["a", "b"]] * 2
    (_, one), (_, two) = words
    assert (one.start_time.seconds, one.start_time.nanos, one.end_time.seconds) == (1, 125_000, 2)
    assert (two.start_offset.seconds, two.start_offset.nanos, two.end_offset.seconds) == (1, 125_000, 2)
    assert [len(result.alternatives[0].words) for result in recorded.results] == [0, 2]


def test_the_last_response_bills() -> None:
    answers = ResponseBuilder(ServiceV1(), "en-US")
    responses = answers.billed(answers.say([final("a"), final("b")]), 14.2)
    assert [response.total_billed_time.seconds for response in responses] == [0, 15]
    assert [response.total_billed_time.seconds for response in answers.billed([], 0.2)] == [1]


def test_responses_without_results() -> None:
    event = SpeechEvent(SpeechEventKind.END_OF_SINGLE_UTTERANCE, 12_000)
    (ended,) = ResponseBuilder(ServiceV1(), "en-US").say([event])
    assert (ended.speech_event_type, ended.speech_event_time.ToMilliseconds()) == (1, 1_500)
    error = ServiceV1().in_band_error(Code.UNAVAILABLE, "later").error
    assert (error.code, error.message) == (14, "later")


def test_the_answer_of_recognize() -> None:
    response = recognised(ServiceV1(), [final("a b"), final("c", end=16_000)], "en-US", 2.5)
    assert [result.alternatives[0].transcript for result in response.results] == ["a b", " c"]
    assert response.results[1].result_end_time.seconds == 2
    assert response.total_billed_time.seconds == 3
