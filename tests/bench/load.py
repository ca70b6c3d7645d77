"""`voicestt load` for those who start it from the source tree, and what the end-to-end tests use of it.

    python tests/bench/load.py --calls 20 100 --seconds 20

With `--probe PORT` it is the prober of those tests instead: ten GET /healthz a second, their answer times as JSON.
"""

import argparse
import http.client
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started as a file, `voicestt` need not be installed

from voicestt.ops.load.accounts import faults as byte_faults
from voicestt.ops.load.accounts import json_lines
from voicestt.ops.load.command import load_command
from voicestt.ops.load.figures import Usage
from voicestt.ops.load.said import script
from voicestt.ops.services import PUBLIC_HOST

__all__ = ["Usage", "byte_faults", "json_lines", "script"]


def probe_once(port: int) -> float | None:
    """Seconds until GET /healthz was answered on a new connection; None when it was not 200."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request("GET", "/healthz", headers={"Host": PUBLIC_HOST})
        answer = connection.getresponse()
        answer.read()
        return time.monotonic() - began if answer.status == 200 else None
    finally:
        connection.close()


def probe(port: int, seconds: float) -> None:
    """Ten questions a second; the answer times go to stdout."""
    times: list[float | None] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        times.append(probe_once(port))
        time.sleep(0.1)
    print(json.dumps(times))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--probe", type=int)
    parser.add_argument("--seconds", type=float, default=20.0)
    options, _ = parser.parse_known_args()
    if options.probe:
        probe(options.probe, options.seconds)
    else:
        load_command()


if __name__ == "__main__":
    main()
