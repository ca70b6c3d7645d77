import asyncio
import threading

import pytest

from voicestt.handler.outcome import Outcome


def test_a_plain_function_waits_for_it_in_its_thread() -> None:
    outcome: Outcome[str] = Outcome()
    threading.Timer(0.01, outcome.tell, ["played"]).start()
    assert outcome.result(10) == "played"
    assert outcome.is_known


def test_a_plain_function_need_not_wait_for_ever() -> None:
    with pytest.raises(TimeoutError):
        Outcome[str]().result(0.01)


def test_a_coroutine_awaits_it_whatever_thread_tells() -> None:
    outcome: Outcome[str] = Outcome()

    async def ask() -> str:
        threading.Timer(0.01, outcome.tell, ["cleared"]).start()
        return await outcome

    assert asyncio.run(ask()) == "cleared"


def test_a_coroutine_that_would_block_its_thread_is_told_how_to_do_it() -> None:
    async def block() -> None:
        Outcome[str]().result()

    with pytest.raises(RuntimeError, match="await"):
        asyncio.run(block())


def test_a_coroutine_may_ask_for_a_known_result() -> None:
    outcome: Outcome[str] = Outcome()
    outcome.tell("played")

    async def ask() -> str:
        return outcome.result()

    assert asyncio.run(ask()) == "played"


def test_a_failure_is_raised_where_the_outcome_is_awaited() -> None:
    outcome: Outcome[str] = Outcome()
    outcome.fail(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        outcome.result()


def test_only_the_first_word_counts() -> None:
    outcome: Outcome[str] = Outcome()
    outcome.tell("played")
    outcome.tell("cleared")
    outcome.fail(ValueError("too late"))
    assert outcome.result() == "played"


def test_an_abandoned_wait_takes_the_outcome_from_no_other() -> None:
    outcome: Outcome[str] = Outcome()

    async def give_up_then_ask() -> str:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(outcome, 0.01)
        outcome.tell("played")
        return await outcome

    assert asyncio.run(give_up_then_ask()) == "played"


def test_its_repr_says_whether_it_is_known_and_not_what() -> None:
    outcome: Outcome[str] = Outcome()
    assert repr(outcome) == "<Outcome, not known yet>"
    outcome.tell("secret")
    assert repr(outcome) == "<Outcome, known>"
