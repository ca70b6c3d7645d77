import pytest

from tests.bench import hot_path

# A fifth above what was counted with Python 3.11 (docs/figures.md); whoever makes a way cheaper lowers its bound.
MOST_CALLS = {
    "a frame of 20 ms": 19,
    "a second's timers": 241,
    "a partial": 150,
    "a final": 780,
    "a response": 25,
}


@pytest.mark.parametrize("name", hot_path.COUNTED)
def test_the_hot_path_is_not_a_fifth_dearer(name: str) -> None:
    calls = hot_path.COUNTED[name](hot_path.calls_in)
    assert calls <= MOST_CALLS[name], (
        f"{name} costs {calls:.1f} calls of functions, at most {MOST_CALLS[name]} are allowed: "
        "python tests/bench/hot_path.py counts them, and cProfile says which they are"
    )


def test_what_is_counted_is_what_happens() -> None:
    call = hot_path.talking()
    written = len(call.stream.session.written)
    call.read()
    call.read()
    assert len(call.stream.session.written) > written
    told = len(call.told)
    call.hear("and again")
    call.pass_time()
    call.journal.turn()
    assert len(call.told) == told + 1


def test_a_call_of_python_and_one_of_c_are_two() -> None:
    assert hot_path.calls_in(lambda: len("")) == 2


@pytest.mark.skipif(not hot_path.TELLS_INSTRUCTIONS, reason="Python tells them up to 3.11")
def test_more_work_is_more_instructions() -> None:
    assert hot_path.instructions_in(lambda: [each + 1 for each in range(9)]) > hot_path.instructions_in(list)
