import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.google.limits import (
    AUDIO_TIMEOUT,
    MALORDERED,
    SYNC_TOO_LONG,
    TOO_FAST,
    Code,
    MessageKind,
    Refusal,
    ServiceLimits,
    StreamRules,
    billed_seconds,
    check_recording,
)


def configured(limits: ServiceLimits = ServiceLimits()) -> StreamRules:  # noqa: B008 - frozen
    rules = StreamRules(limits)
    rules.message(MessageKind.CONFIG, 0, 0, 0)
    return rules


def refusal_of(function: object, *arguments: object) -> tuple[Code, str]:
    with pytest.raises(Refusal) as caught:
        function(*arguments)  # type: ignore[operator]
    return caught.value.code, caught.value.details


def test_config_comes_first() -> None:
    rules = StreamRules()
    assert refusal_of(rules.message, MessageKind.AUDIO, 1, 0.1, 0) == (Code.INVALID_ARGUMENT, MALORDERED)


def test_one_config_only() -> None:
    rules = configured()
    assert refusal_of(rules.message, MessageKind.CONFIG, 0, 0, 0) == (Code.INVALID_ARGUMENT, MALORDERED)


@pytest.mark.parametrize("rules", [StreamRules(), configured()])
def test_an_empty_message_is_malordered(rules: StreamRules) -> None:
    code, words = refusal_of(rules.message, MessageKind.NOTHING, 0, 0, 0)
    assert code is Code.INVALID_ARGUMENT
    assert words.startswith("Malordered Data Received. ")


def test_half_close_without_a_config_is_malordered() -> None:
    assert refusal_of(StreamRules().half_close) == (Code.INVALID_ARGUMENT, MALORDERED)


def test_a_message_has_25600_bytes_at_most() -> None:
    rules = configured()
    rules.message(MessageKind.AUDIO, 25_600, 1.6, 0)
    code, words = refusal_of(rules.message, MessageKind.AUDIO, 25_601, 1.6, 0)
    assert code is Code.INVALID_ARGUMENT
    assert words == "Audio chunk can be of a maximum of 25600 bytes. Received audio of 25601 bytes instead."


def test_a_stream_lasts_305_seconds() -> None:
    rules = configured()
    rules.message(MessageKind.AUDIO, 1_200, 0.15, 304.9)
    rules.check(304.99)
    assert refusal_of(rules.check, 305.0) == (
        Code.OUT_OF_RANGE,
        "Exceeded maximum allowed stream duration of 305 seconds.",
    )


def test_a_stream_holds_305_seconds_of_audio() -> None:
    rules = configured()
    rules.message(MessageKind.AUDIO, 1, 304, 200)
    code, words = refusal_of(rules.message, MessageKind.AUDIO, 1, 2, 200)
    assert (code, words[:30]) == (Code.OUT_OF_RANGE, "Exceeded maximum allowed strea")


def test_ten_seconds_without_audio_end_it() -> None:
    rules = configured()
    rules.message(MessageKind.AUDIO, 1_200, 0.15, 3)
    assert rules.deadline == 13
    rules.check(12.9)
    assert refusal_of(rules.check, 13) == (Code.OUT_OF_RANGE, AUDIO_TIMEOUT)


def test_silence_after_half_close_is_no_silence() -> None:
    rules = configured()
    rules.half_close()
    rules.check(100)
    assert rules.deadline == 305


def test_audio_may_come_in_a_burst_but_not_for_ever() -> None:
    rules = configured(ServiceLimits(burst=10, pace=3))
    rules.message(MessageKind.AUDIO, 1, 10, 0)
    rules.message(MessageKind.AUDIO, 1, 3, 1)
    assert refusal_of(rules.message, MessageKind.AUDIO, 1, 0.1, 1) == (Code.OUT_OF_RANGE, TOO_FAST)


def test_recordings_last_a_minute_at_most() -> None:
    check_recording(60)
    assert refusal_of(check_recording, 60.1) == (Code.INVALID_ARGUMENT, SYNC_TOO_LONG)


def test_a_recording_without_audio_is_refused() -> None:
    assert refusal_of(check_recording, 0)[0] is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(("seconds", "billed"), [(0, 0), (0.1, 1), (1, 1), (14.2, 15)])
def test_begun_seconds_are_billed(seconds: float, billed: int) -> None:
    assert billed_seconds(seconds) == billed


@given(st.lists(st.floats(min_value=0.01, max_value=9.9), max_size=100))
def test_audio_in_real_time_is_never_refused(gaps: list[float]) -> None:
    rules, now = configured(), 0.0
    for gap in gaps:
        now += gap
        if now < 304:
            rules.check(now)
            rules.message(MessageKind.AUDIO, 1_200, gap, now)
            assert rules.deadline > now
