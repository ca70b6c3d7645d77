import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.handler.memory import MOST_BYTES, BadMemory, CallMemory

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(_json)
def test_what_is_remembered_here_is_known_there(value: object) -> None:
    kept: list[str] = []
    memory = CallMemory(None, kept.append)
    assert memory.value is None
    memory.set(value)
    assert memory.value == value
    assert CallMemory(kept[-1]).value == value


def test_what_is_changed_inside_is_not_kept() -> None:
    memory = CallMemory('{"step":1}')
    memory.value["step"] = 2
    assert memory.value == {"step": 1}


@pytest.mark.parametrize("value", [object(), "\ud800", {1: object()}, "x" * MOST_BYTES])
def test_what_cannot_travel_is_refused_and_what_was_stays(value: object) -> None:
    kept: list[str] = []
    memory = CallMemory("1", kept.append)
    with pytest.raises(BadMemory, match="what is to be remembered"):
        memory.set(value)
    assert (memory.value, kept) == (1, [])
