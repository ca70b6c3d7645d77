"""Promises of the project outside its code."""

import re
from pathlib import Path

from voicestt.twilio import twiml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
GETTING_STARTED = (ROOT / "docs" / "getting-started.md").read_text()


def test_the_readme_names_the_paths_of_the_server() -> None:
    for path in (twiml.INCOMING_CALL, twiml.HEALTH):
        assert path in README


def test_the_docs_name_every_path_of_the_server() -> None:
    for path in (
        twiml.INCOMING_CALL,
        twiml.STREAM_STATUS,
        twiml.MEDIA,
        twiml.HEALTH,
        twiml.EVENTS,
        twiml.LIVE,
    ):
        assert path in GETTING_STARTED


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len(README) < 7_000


def test_the_procfile_starts_exactly_what_the_readme_says() -> None:
    assert (ROOT / "Procfile").read_text() == "web: twistd --nodaemon --pidfile= voicestt\n"


def test_requirements_are_pinned_and_end_in_the_project_itself() -> None:
    *pins, last = [
        line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")
    ]
    assert last == "."
    assert pins
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.]*", pin) for pin in pins)


def test_every_folder_with_code_is_in_the_list_of_packages() -> None:
    listed = set(re.findall(r"^    (voicestt[\w.]*)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE))
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "voicestt").rglob("*.py")
        if "__pycache__" not in path.parts
    }
    assert folders <= listed


def test_the_plugins_folder_is_no_package() -> None:
    assert not (ROOT / "twistd_plugins" / "__init__.py").exists()
