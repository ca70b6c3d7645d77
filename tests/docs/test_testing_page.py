"""The page docs/testing.md: its examples are run as a reader would, by pytest in a folder of their own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from voicestt import events
from voicestt.handler.testing import Action, SimulatedCall

PAGE = (Path(__file__).parent.parent.parent / "docs" / "testing.md").read_text()


def run_pytest(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_page.py").write_text(code)
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(scope="module")
def examples() -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))


def test_its_examples_pass(examples: str, tmp_path: Path) -> None:
    result = run_pytest(tmp_path, examples)
    assert f"{examples.count('def test_')} passed" in result.stdout, result.stdout


def test_a_handlers_mistake_is_shown_where_it_was_made(examples: str, tmp_path: Path) -> None:
    mistake = (
        "\n\ndef test_mistake() -> None:\n    with simulated_call(Picky) as call:\n        call.final('no')\n"
    )
    result = run_pytest(tmp_path, examples + mistake)
    assert result.returncode == 1
    assert 'raise ValueError("no is no answer")' in result.stdout
    assert "HandlerFailed: The handler failed in on_final" in result.stdout


def test_it_names_what_can_be_told_and_asked() -> None:
    told = {name for name in events.TYPES if name not in {"call_started", "mark", "said", "call_ended"}}
    assert told <= {name for name in dir(SimulatedCall) if f"`{name}(" in PAGE}
    assert all(f'("{name}"' in PAGE for name in re.findall(r"'(\w+)'", str(Action)))
