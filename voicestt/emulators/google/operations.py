"""The long-running operations of the service: what runs, and what has ended and is still kept.

At most MOST_RUNNING run at a time, more are refused; the last MOST_KEPT that ended are kept, none for longer than
an hour of the service's clock. Used on the service's loop.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from google.longrunning.operations_pb2 import Operation

from voicestt.emulators.google.limits import Code, Refusal
from voicestt.emulators.google.resources import not_found, page_of, usual_refusal

MOST_RUNNING = 64
MOST_KEPT = 1_000
KEPT_SECONDS = 3_600.0


@dataclass(slots=True)
class _Kept:
    operation: Any
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    ended_at: float = 0.0


class Operations:
    """All operations of a service; `now` is its clock in seconds. Names are numbers, as v1's are."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        most_running: int = MOST_RUNNING,
        most_kept: int = MOST_KEPT,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._now = now
        self._most_running, self._most_kept, self._kept_seconds = most_running, most_kept, kept_seconds
        self._kept: dict[str, _Kept] = {}

    def begin(self, work: Callable[[Any], Awaitable[Any]], metadata: Any = None) -> Any:
        """Begin an operation: `work` is given it, may change its metadata, and returns its response.

        `Refusal` in `work` becomes the operation's error; raised by this method it says that too many run.
        """
        self._forget()
        if sum(not kept.operation.done for kept in self._kept.values()) >= self._most_running:
            raise usual_refusal(Code.RESOURCE_EXHAUSTED)
        kept = _Kept(Operation(name=str(secrets.randbits(62))))
        if metadata is not None:
            kept.operation.metadata.Pack(metadata)
        self._kept[kept.operation.name] = kept
        kept.task = asyncio.get_running_loop().create_task(self._carry(kept, work))
        return kept.operation

    def ended(self, response: Any, metadata: Any, parent: str) -> Any:
        """Return an operation that was over at once; `parent` is the beginning of its name."""
        self._forget()
        kept = _Kept(Operation(name=f"{parent}/operations/{secrets.randbits(62)}"))
        kept.operation.metadata.Pack(metadata)
        self._kept[kept.operation.name] = kept
        self._end(kept, response=response)
        return kept.operation

    def get(self, name: str) -> Any:
        """Return an operation as of now; raises `Refusal`."""
        return self._find(name).operation

    def page(self, size: int, token: str) -> tuple[list[Any], str]:
        """Return operations in the order of their beginning, and the token of the next page; raises `Refusal`."""
        self._forget()
        if token and not token.isdecimal():
            raise usual_refusal(Code.INVALID_ARGUMENT)
        return page_of([kept.operation for kept in self._kept.values()], size, token)

    def cancel(self, name: str) -> None:
        """End an operation that runs with CANCELLED; raises `Refusal`."""
        kept = self._find(name)
        if kept.task is not None and not kept.operation.done:
            kept.task.cancel()
            self._end(kept, error=usual_refusal(Code.CANCELLED))

    def delete(self, name: str) -> None:
        """Forget an operation; one that runs goes on, and nobody learns of it. Raises `Refusal`."""
        del self._kept[self._find(name).operation.name]

    async def wait(self, name: str, seconds: float | None) -> Any:
        """Return an operation when it has ended, or after some seconds of waiting; raises `Refusal`."""
        kept = self._find(name)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(kept.ended.wait(), seconds)
        return kept.operation

    def close(self) -> None:
        """Cancel whatever runs."""
        for kept in self._kept.values():
            if kept.task is not None:
                kept.task.cancel()

    async def _carry(self, kept: _Kept, work: Callable[[Any], Awaitable[Any]]) -> None:
        try:
            self._end(kept, response=await work(kept.operation))
        except Refusal as refusal:
            self._end(kept, error=refusal)

    def _end(self, kept: _Kept, *, response: Any = None, error: Refusal | None = None) -> None:
        operation = kept.operation
        operation.done = True
        if error is not None:
            operation.error.code, operation.error.message = int(error.code), error.details
        else:
            operation.response.Pack(response)
        kept.ended_at, kept.task = self._now(), None
        kept.ended.set()

    def _find(self, name: str) -> _Kept:
        self._forget()
        kept = self._kept.get(name)
        if kept is None:
            raise not_found()
        return kept

    def _forget(self) -> None:
        """Drop what ended too long ago, and the oldest of too many."""
        ended = [name for name, kept in self._kept.items() if kept.operation.done]
        since = self._now() - self._kept_seconds
        for place, name in enumerate(reversed(ended)):
            if place >= self._most_kept or self._kept[name].ended_at < since:
                del self._kept[name]
