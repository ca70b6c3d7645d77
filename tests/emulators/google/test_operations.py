import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from voicestt.emulators.google.limits import Code, Refusal
from voicestt.emulators.google.operations import Operations


class Now:
    """A clock that is set by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def on_loop(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 20))


async def at_once(_operation: Any) -> Any:
    return Duration(seconds=7)


async def never(_operation: Any) -> Any:
    await asyncio.Event().wait()


def test_what_ended_is_kept_for_its_time_and_no_longer() -> None:
    async def story() -> None:
        now = Now()
        operations = Operations(now, kept_seconds=60)
        name = operations.begin(at_once).name
        ended = await operations.wait(name, None)
        answer = Duration()
        assert ended.response.Unpack(answer)
        assert answer.seconds == 7
        now.seconds = 60
        assert operations.get(name).done
        now.seconds = 61
        with pytest.raises(Refusal, match="not found"):
            operations.get(name)

    on_loop(story())


def test_the_oldest_of_too_many_are_forgotten_and_those_that_run_never() -> None:
    async def story() -> None:
        operations = Operations(Now(), most_kept=2)
        runs = operations.begin(never).name
        names = [operations.begin(at_once).name for _ in range(4)]
        await operations.wait(names[-1], None)
        kept, token = operations.page(0, "")
        assert ([each.name for each in kept], token) == ([runs, *names[2:]], "")
        operations.close()

    on_loop(story())


def test_too_many_at_a_time_are_refused() -> None:
    async def story() -> None:
        operations = Operations(Now(), most_running=2)
        first, _ = operations.begin(never), operations.begin(never)
        with pytest.raises(Refusal) as refused:
            operations.begin(never)
        assert refused.value.code is Code.RESOURCE_EXHAUSTED
        operations.cancel(first.name)
        assert (first.done, first.error.code) == (True, Code.CANCELLED)
        operations.begin(never)
        operations.close()

    on_loop(story())


def test_waiting_ends_with_its_time() -> None:
    async def story() -> None:
        operations = Operations(Now())
        name = operations.begin(never).name
        assert not (await operations.wait(name, 0.0)).done
        operations.cancel(name)
        operations.cancel(name)
        assert (await operations.wait(name, None)).done

    on_loop(story())
