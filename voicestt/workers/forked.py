"""Work that is done in a fork of this process, which is gone afterwards with all that was loaded for it."""

import json
import os
from collections.abc import Callable


def in_a_fork(find: Callable[[], list[str]]) -> list[str]:
    """Return what `find` returns in a fork, or that it failed. To be called before there are threads."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        _find_and_leave(find, writes)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text:
        return ["the settings could not be checked: the process that checks them ended; what it wrote is above"]
    problems: list[str] = json.loads(text)
    return problems


def _find_and_leave(find: Callable[[], list[str]], writes: int) -> None:
    """Write what is found, and end this process without a word of its parent's."""
    try:
        found = json.dumps(find()).encode()
        with os.fdopen(writes, "wb") as pipe:
            pipe.write(found)
    finally:
        os._exit(0)
