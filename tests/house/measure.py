"""Figures of voicestt's source: rooms, modules, lines, functions, docstrings and names used twice.

`python -m tests.house.measure [FOLDER]` prints them, of this checkout or of another one.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "voicestt"

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A module: its path from the root, its text and its syntax tree."""

    name: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Lines of the file."""
        return len(self.text.splitlines())


@dataclass(frozen=True)
class MeasuredFunction:
    """A function's size in lines: whole, and `body` without its signature and docstring."""

    name: str
    lines: int
    body: int


@dataclass(frozen=True)
class Docstring:
    """A docstring's place and first word."""

    name: str
    first_word: str


def modules(root: Path = ROOT, folder: str = "voicestt") -> tuple[Module, ...]:
    """Read all modules of the package, or of another folder; once, until `read.cache_clear`."""
    return read(root, folder)


@cache
def read(root: Path, folder: str) -> tuple[Module, ...]:
    """Read all modules of a folder."""
    found = []
    for path in sorted((root / folder).rglob("*.py")):
        text = path.read_text()
        found.append(Module(path.relative_to(root).as_posix(), text, ast.parse(text)))
    return tuple(found)


def functions(root: Path = ROOT) -> Iterator[MeasuredFunction]:
    """Measure all functions and methods."""
    for module in modules(root):
        for node in ast.walk(module.tree):
            if isinstance(node, _Function):
                yield _measured_function(module, node)


def _measured_function(module: Module, node: _Function) -> MeasuredFunction:
    end = node.end_lineno or node.lineno
    code = node.body[1:] if ast.get_docstring(node) is not None else node.body
    body = end - code[0].lineno + 1 if code else 0
    return MeasuredFunction(f"{module.name}:{node.lineno} {node.name}", end - node.lineno + 1, body)


def docstrings(root: Path = ROOT, folder: str = "voicestt") -> Iterator[Docstring]:
    """Find all docstrings of modules, classes and functions."""
    for module in modules(root, folder):
        for node in ast.walk(module.tree):
            if isinstance(node, _Function | ast.ClassDef | ast.Module) and (text := ast.get_docstring(node)):
                line = getattr(node, "lineno", 1)
                yield Docstring(f"{module.name}:{line}", text.split()[0].strip(":,."))


def measured(root: Path = ROOT) -> Mapping[str, float]:
    """Return the table of figures."""
    lines = sorted(each.lines for each in functions(root))
    riddles = [each.first_word in {"What", "Who", "How", "Nothing", "Of"} for each in docstrings(root)]
    names = Counter(
        node.name for each in modules(root) for node in ast.walk(each.tree) if isinstance(node, ast.ClassDef)
    )
    return {
        "rooms": sum(each.is_dir() and (each / "__init__.py").exists() for each in (root / "voicestt").iterdir()),
        "modules": len(modules(root)),
        "modules over 300 lines": sum(each.lines > 300 for each in modules(root)),
        "lines": sum(each.lines for each in modules(root)),
        "functions": len(lines),
        "median of functions": median(lines),
        "90th percentile of functions": lines[len(lines) * 9 // 10],
        "longest body of a function": max(each.body for each in functions(root)),
        "docstrings": len(riddles),
        "% of docstrings with What, Who, How, Nothing, Of": round(100 * sum(riddles) / len(riddles), 1),
        "classes": len(names),
        "names used twice": sum(count > 1 for count in names.values()),
    }


if __name__ == "__main__":
    for title, figure in measured(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT).items():
        print(f"{figure:>10} {title}")
