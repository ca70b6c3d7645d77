"""A real prometheus of a test's own, on a free port of 127.0.0.1, and Debian's promtool."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from voicestt.ops.services import free_port

PATIENCE = 40.0


def program(name: str) -> str:
    """prometheus or promtool, both of Debian's package."""
    found = shutil.which(name)
    if found is None:
        raise AssertionError(f"{name} is missing, which this test needs: apt-get install prometheus")
    return found


def promtool(*arguments: str, text: str = "") -> str:
    """The output of promtool; it must find nothing wrong."""
    done = subprocess.run(
        [program("promtool"), *arguments], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


class Prometheus:
    """Scrapes `target` each second; it blocks, so the server that it scrapes must have another thread."""

    def __init__(self, folder: Path, target: str, token: str, rules: Sequence[Path]) -> None:
        self._port = free_port()
        (folder / "token").write_text(token)
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [
                {
                    "job_name": "voicestt",
                    "authorization": {"credentials_file": str(folder / "token")},
                    "static_configs": [{"targets": [target]}],
                }
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
        self._log = (folder / "prometheus.log").open("w")
        self._process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ],
            stderr=self._log,
        )

    def __enter__(self) -> "Prometheus":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _problem: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._log.close()

    def until(self, query: str, is_right: Callable[[float], bool] = bool) -> float:
        """The value of the query's only series, once it is right."""
        give_up = time.monotonic() + PATIENCE
        found: Any = "no answer"
        while time.monotonic() < give_up:
            with suppress(OSError):
                found = self.ask(f"query?{urlencode({'query': query})}")["result"]
                if len(found) == 1 and is_right(float(found[0]["value"][1])):
                    return float(found[0]["value"][1])
            time.sleep(0.2)
        raise AssertionError(f"{query} is {found}")

    def ask(self, path: str) -> Any:
        """The data of an answer of its API."""
        with urlopen(f"http://127.0.0.1:{self._port}/api/v1/{path}", timeout=PATIENCE) as answer:
            return json.load(answer)["data"]
