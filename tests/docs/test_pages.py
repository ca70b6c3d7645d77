"""What the pages promise: links lead somewhere, examples fit, and nobody is sent to a stranger's package."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from voicestt import events
from voicestt.settings_command import markdown_tables

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
EVERYTHING_SHIPPED = [
    path
    for folder in ("voicestt", "docs", ".ci")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
]


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"\]\(([^)\s]+)\)", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_within_the_project_leads_to_a_file(page: Path) -> None:
    inside = [link.partition("#")[0] for link in links(page) if "://" not in link and not link.startswith("#")]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_the_settings_page_has_the_tables_as_the_code_has_them() -> None:
    assert markdown_tables() in (DOCS / "settings.md").read_text()


def test_the_page_that_listens_knows_every_type_of_event() -> None:
    page = (DOCS / "examples" / "live.html").read_text()
    listed = re.search(r"const TYPES = \[(.*?)\]", page, re.DOTALL)
    assert listed is not None
    assert re.findall(r'"(\w+)"', listed[1]) == list(events.TYPES)


def test_the_events_page_has_a_row_for_every_type_of_event() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (DOCS / "events.md").read_text(), re.MULTILINE)
    assert rows == list(events.TYPES)


def test_nobody_is_told_to_install_this_project_by_its_name() -> None:
    """It is on no index: the name there could be anybody's."""
    command = re.compile(r"pip install [^`\n]*?\bvoicestt\b")
    found = [
        str(path) for path in [*PAGES, *EVERYTHING_SHIPPED] if command.search(path.read_text(errors="ignore"))
    ]
    assert found == []
