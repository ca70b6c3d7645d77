"""The house rules that can be measured, over all modules of voicestt: names, sizes, docstrings and typed seams.

They are the rules of CONTRIBUTING.md. `python -m tests.house.measure` prints the figures.
"""

import ast
import re
from statistics import median

import pytest

from tests.house.measure import PACKAGE, ROOT, docstrings, functions, measured, modules

LONGEST_MODULE = 300
LONGEST_FUNCTION = 26
RIDDLES = {"What", "Who", "How", "Nothing", "Of"}

FACT_AND_EVENT = "a fact of the call in call/, and the event that applications get of it in events.py"
DELIBERATE_PAIRS = {
    "CallStarted": FACT_AND_EVENT,
    "Partial": FACT_AND_EVENT,
    "Word": FACT_AND_EVENT,
    "Alternative": FACT_AND_EVENT,
    "Final": FACT_AND_EVENT,
    "CallEnded": FACT_AND_EVENT,
}
"""Class names that stand twice on purpose, with the reason."""

PRIVATE_WORDS = (
    r"audiences?|outlets?|census|call_?book|wishes|tall(y|ies)|faultlines?|handover|laid aside|lays? aside|"
    r"few_?at_?once|dialects? of google|carrier\.py|hangup\.py|coded_audio|stall_?watch|"
    r"whole_?frames|after_?journal"
)
"""Words of this project's own that were given up for the field's, see docs/glossary.md."""


def test_a_class_name_stands_once_but_for_deliberate_pairs() -> None:
    places: dict[str, list[str]] = {}
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(module.name)
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert twice.keys() == DELIBERATE_PAIRS.keys(), twice
    assert all(sorted(where) == ["voicestt/call/facts.py", "voicestt/events.py"] for where in twice.values())


def test_a_module_has_300_lines_at_most() -> None:
    assert {each.name: each.lines for each in modules() if each.lines > LONGEST_MODULE} == {}


LONG_ON_PURPOSE = {
    "_report": "a table: one line for each value of a report",
}


def test_a_function_is_short() -> None:
    """Beside its signature and docstring: the options of a command are a table, and not read as code."""
    long = {each.name.partition(" ")[2]: each.body for each in functions() if each.body > LONGEST_FUNCTION}
    assert long.keys() == LONG_ON_PURPOSE.keys(), long
    lines = sorted(each.lines for each in functions())
    assert median(lines) <= 5
    assert lines[len(lines) * 9 // 10] <= 15


@pytest.mark.parametrize("folder", ["voicestt", "tests", "docs"])
def test_no_docstring_is_a_riddle(folder: str) -> None:
    begin_so = [each for each in docstrings(folder=folder) if each.first_word in RIDDLES]
    assert begin_so == []


def test_the_figures_are_those_of_a_house_that_can_be_walked_through() -> None:
    figures = measured()
    assert figures["rooms"] <= 18
    assert figures["names used twice"] == len(DELIBERATE_PAIRS)


def test_seams_are_typed() -> None:
    """Reactors and clocks by the interfaces that are used of them, facts of the journal by their own type."""
    untyped = [
        f"{module.name}: {line.strip()}"
        for module in modules()
        for line in module.text.splitlines()
        if re.search(r"\b(reactor|clock): \"?Any\b|\bfact: object\b", line)
    ]
    assert untyped == []


def test_composition_asserts_nothing_to_be_there() -> None:
    composing = (
        "voicestt/tap.py",
        "voicestt/cli.py",
        "voicestt/server/",
        "voicestt/handler/",
        "voicestt/journal/",
    )
    asserting = [
        module.name
        for module in modules()
        if module.name.startswith(composing)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assert)
    ]
    assert asserting == []


def listed(title: str) -> list[str]:
    """The files of a list in docs/architecture.md, in its order."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page.partition(f"\n### {title}\n")[2].partition("\n#")[0]
    return re.findall(r"^\d+\. `(voicestt/[\w/.]+)`", section, re.MULTILINE)


def test_the_way_of_a_final_is_30_files_at_most_and_all_are_there() -> None:
    way = listed("From gRPC to the POST")
    assert 20 < len(way) <= 30
    assert len(set(way)) == len(way)
    assert [each for each in way if not (ROOT / each).exists()] == []


def test_what_becomes_of_a_post_answered_500_is_in_three_files() -> None:
    way = listed("A POST is answered 500")
    assert len(way) == 3
    assert all((ROOT / each).exists() for each in way)


def test_every_room_is_in_the_table_of_rooms() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {each.parent.name for each in PACKAGE.glob("*/__init__.py")}
    assert {room for room in rooms if f"| `{room}/` |" not in page} == set()


def test_the_private_words_are_gone() -> None:
    pattern = re.compile(rf"\b({PRIVATE_WORDS})\b", re.IGNORECASE)
    files = [
        path
        for folder in (PACKAGE, ROOT / "docs", ROOT / "tests")
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".py", ".md"} and path.parent.name != "house" and "node_modules" not in path.parts
    ]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (match := pattern.search(line)) and '"external_account"' not in line and "token_url" not in line
    ]
    assert found == []
