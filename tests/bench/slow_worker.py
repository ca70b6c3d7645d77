"""docs/examples/redis_worker.py with slow work: an event takes as many milliseconds as its first argument says."""

import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parents[2] / "docs" / "examples" / "redis_worker.py"


def run(milliseconds: float) -> None:
    spec = importlib.util.spec_from_file_location("redis_worker", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    worker: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(worker)

    def work(event: dict[str, Any]) -> None:
        time.sleep(milliseconds / 1000)
        print(json.dumps({"id": event["id"], "at": time.time()}), flush=True)

    worker.work = work
    worker.main()


if __name__ == "__main__":
    run(float(sys.argv.pop(1)))
