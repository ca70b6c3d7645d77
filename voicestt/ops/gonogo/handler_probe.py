"""Loads a handler as the server does and reports on it: python -m voicestt.ops.gonogo.handler_probe PATH.

A process of its own: an application's module may do anything while it is imported, and may not come to an end. It
runs in the working folder, where the server finds modules too. The last line of its output is JSON: `methods` and
`misspelt`, or the `problem` in words.
"""

import json
import os
import sys

from voicestt.handler.loading import BadHandler, load_handler, misspelt
from voicestt.handler.protocol import methods_of


def look_at(path: str) -> dict[str, object]:
    """Load the handler at `path` and list its methods and misspelt ones, or its problem."""
    try:
        handler = load_handler(path)
    except BadHandler as problem:
        return {"problem": str(problem)}
    return {"methods": list(methods_of(handler).values()), "misspelt": misspelt(handler)}


if __name__ == "__main__":
    print("\n" + json.dumps(look_at(sys.argv[1])), flush=True)
    os._exit(0)  # threads that the application's module has started do not keep it
