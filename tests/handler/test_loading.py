import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from voicestt.handler.loading import BadHandler, load_handler, misspelt

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes an application's module in a working folder, and gives its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(source: str, name: str = "an_application") -> str:
        path = tmp_path / (name.replace(".", "/") + ".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        return name

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] in {"an_application", "package"}]:
        del sys.modules[name]


def problem_of(path: str) -> str:
    """The words it is refused with."""
    with pytest.raises(BadHandler) as caught:
        load_handler(path)
    return str(caught.value)


def test_a_class_is_found_by_its_path(write: Write) -> None:
    module = write("class Hello:\n    def on_partial(self, call, event): pass\n", "package.calls")
    assert load_handler(f"{module}:Hello").__name__ == "Hello"


def test_a_class_in_a_class_is_found(write: Write) -> None:
    module = write("class A:\n    class B:\n        async def on_final(self, call, event): pass\n")
    assert load_handler(f"{module}:A.B").__qualname__ == "A.B"


@pytest.mark.parametrize("path", ["", "echo", ":Echo", "echo:"])
def test_a_malformed_path_is_refused(path: str) -> None:
    assert problem_of(path) == f"{path!r} is not package.module:Name"


@pytest.mark.parametrize(("path", "missing"), [("no_such:Echo", "no_such"), ("os.no_such:Echo", "os.no_such")])
def test_a_module_that_is_not_there_is_named(path: str, missing: str) -> None:
    assert f"there is no module {missing}" in problem_of(path)


def test_a_class_that_is_not_there_is_named_beside_those_that_are(write: Write) -> None:
    module = write("from pathlib import Path\nclass Hello: pass\nclass Other: pass\n")
    assert problem_of(f"{module}:Helo") == f"{module} has no Helo; its classes are: Hello, Other"


def test_a_missing_import_of_the_module_is_shown_with_its_line(write: Write) -> None:
    module = write("\nimport no_such_library\n")
    said = problem_of(f"{module}:Hello")
    assert f"{module}.py:2: ModuleNotFoundError: No module named 'no_such_library'" in said


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("\n\n1 / 0\n", ".py:3: ZeroDivisionError: division by zero"),
        ("x = 1\ndef\n", ".py:2: SyntaxError: invalid syntax"),
        ("import json\njson.loads('{')\n", ".py:2: JSONDecodeError: "),
        ("raise SystemExit\n", ".py:1: SystemExit"),
    ],
)
def test_an_error_in_the_module_is_shown_with_its_line(write: Write, source: str, words: str) -> None:
    assert words in problem_of(f"{write(source)}:Hello")


def test_a_function_is_no_handler(write: Write) -> None:
    module = write("def hello(): pass\n")
    assert "is no class but function" in problem_of(f"{module}:hello")


def hello(body: str) -> str:
    """A module with a class of this body."""
    return f"import functools\nclass Hello:\n    {body}\n"


ANY = "def on_final(self, call, event): pass"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (f"def __init__(self, name): pass\n    {ANY}", "its constructor must do without arguments"),
        ("def on_finale(self, call, event): pass", "it has none of the methods on_call_started, on_partial,"),
        ("def on_final(self, call): pass", "on_final must be on_final(self, call, event)"),
        ("def on_final(call, event): pass", "on_final must be on_final(self, call, event)"),
        ("def on_call_started(self, call, event): pass", "must be on_call_started(self, call)"),
        ("@staticmethod\n    def on_final(self, call, event): pass", "on_final must be"),
        ("@classmethod\n    def on_final(cls, call): pass", "on_final must be"),
        ("on_final = 7", "on_final is no method"),
        ("on_final = 7\n    on_partial = 8", "on_partial is no method; on_final is no method"),
    ],
)
def test_a_class_that_could_never_be_told_is_refused(write: Write, body: str, words: str) -> None:
    assert words in problem_of(f"{write(hello(body))}:Hello")


def test_an_abstract_class_is_refused(write: Write) -> None:
    source = hello(f"{ANY}\n    @abc.abstractmethod\n    def f(self): pass")
    module = write("import abc\n" + source.replace("Hello", "Hello(abc.ABC)"))
    assert "it is abstract" in problem_of(f"{module}:Hello")


@pytest.mark.parametrize(
    "body",
    [
        "def __init__(self, name='x', *rest, **more): pass\n    def on_final(self, call, event): pass",
        "def on_final(self, *arguments): pass",
        "def on_final(self, call, event, more=None): pass",
        "on_final = dict",
        "@staticmethod\n    def on_final(call, event): pass",
        "@classmethod\n    async def on_final(cls, call, event): pass",
        "def _on(self, call, event, x): pass\n    on_final = functools.partialmethod(_on, x=1)",
    ],
)
def test_every_way_to_write_a_method_is_taken(write: Write, body: str) -> None:
    assert load_handler(f"{write(hello(body))}:Hello").__name__ == "Hello"


def test_misspelt_method_names_are_found() -> None:
    class Hello:
        def on_final(self) -> None: ...
        def on_finale(self) -> None: ...
        def on_Partial(self) -> None: ...  # noqa: N802
        def online(self) -> None: ...

    assert misspelt(Hello) == ["on_Partial", "on_finale"]
