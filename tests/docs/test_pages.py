"""The promises of the pages: links lead somewhere, examples fit, and nobody is sent to a stranger's package."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from voicestt import events
from voicestt.cli import main
from voicestt.config.settings import variables
from voicestt.handler.loading import misspelt
from voicestt.handler.protocol import methods_of
from voicestt.ops.settings import markdown_tables

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
EVERYTHING_SHIPPED = [
    path
    for folder in ("voicestt", "docs", "deploy", ".ci")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"\]\(([^)\s]+)\)", text)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
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
    others = r"(?:[ \t]+(?!['\"]?\.)[^\s`|;&]+)*"  # a dot is the checkout, which may be called anything
    name = r"[ \t]+['\"]?voicestt(?:\[[^\]\n]*\])?(?=['\"`\s=<>~!,;]|$)"
    command = re.compile(rf"\b(?:pip3?|pipx|uvx?|poetry|conda)\b{others}{name}", re.MULTILINE)
    files = [*PAGES, *EVERYTHING_SHIPPED, ROOT / "requirements.txt", ROOT / "Procfile"]
    assert command.search("pip install --upgrade voicestt[redis]==1.0")
    found = [f"{path}: {hit[0]}" for path in files for hit in command.finditer(path.read_text(errors="ignore"))]
    assert found == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_and_option_that_a_page_names_is_there(page: Path) -> None:
    unknown = []
    for called, options in re.findall(r"(?<![\w./-])voicestt ([a-z][a-z-]+)\b([^\n`|]*)", page.read_text()):
        command = main.get_command(click.Context(main), called)
        if command is None:
            continue  # `voicestt` of twistd, or prose; those that are commands are told apart by the next test
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        unknown += [f"{called} {option}" for option in re.findall(r"--[a-z-]+", options) if option not in known]
    assert unknown == []


def test_the_table_of_commands_has_them_all() -> None:
    rows = re.findall(r"^\| `voicestt ([a-z-]+)", (DOCS / "getting-started.md").read_text(), re.MULTILINE)
    assert sorted(rows) == main.list_commands(click.Context(main))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_of_ours_that_a_page_names_is_there(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # what was true then
    named = re.findall(r"(?<![\w/.])((?:voicestt|tests|docs|deploy|\.ci)/[\w./@-]*\w)", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_variable_that_a_page_names_is_there(page: Path) -> None:
    ours = {variable.name for variable in variables()} | {"VOICESTT_ENV_FILE"}
    groups = (
        "PUBLIC|ENABLE|STT|GCP|TWILIO|REQUIRE|MAX|EVENTS|WHISPER|UTTERANCE|HANDLER|"
        "GREETING|TTS|JOURNAL|RECORD|REDIS|VOICESTT|METRICS|PAGE"
    )
    named = re.findall(rf"(?<![\w$])((?:{groups})_[A-Z_]*[A-Z])\b", page.read_text())
    assert sorted({name for name in named if name not in ours}) == []


def fences(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_to_be_copied_can_be_read_by_its_language(page: Path) -> None:
    for code in fences(page, "python"):
        compile(code, page.name, "exec")
    for commands in fences(page, "bash"):
        read = subprocess.run(["bash", "-n"], input=commands, capture_output=True, text=True, check=False)
        assert (read.returncode, read.stderr) == (0, "")
    for line in "\n".join(fences(page, "json")).replace("\n ", " ").splitlines():
        json.loads(line)


@pytest.mark.parametrize("page", ["README.md", "docs/handler.md"])
def test_the_handler_that_is_shown_is_one(page: str) -> None:
    (code,) = fences(ROOT / page, "python")
    shown: dict[str, type] = {}
    exec(code, shown)
    assert misspelt(shown["Agent"]) == []
    assert set(methods_of(shown["Agent"])) == {events.Final}
