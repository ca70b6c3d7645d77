"""Loading of the application's handler class from `package.module:Name`, with a clear message for each mistake."""

import importlib
import inspect
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from typing import Final

from voicestt.events import CallStarted
from voicestt.handler.protocol import METHODS, methods_of

_NOT_THE_APPLICATIONS: Final = (
    "<frozen ",
    __file__,
    *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)


class BadHandler(ValueError):
    """The error of a class that cannot be a handler; the message says why, and where the mistake is."""


def load_handler(path: str) -> type:
    """Load the class that `path` names, as `package.module:Name`; `Name` may have dots.

    The working folder must be importable, which twistd sees to.

    Raises:
        BadHandler: if there is none, or it could never be told anything.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise BadHandler(f"{path!r} is not package.module:Name")
    found = _find(_import(module_name), name, module_name)
    if not isinstance(found, type):
        raise BadHandler(f"{path} is no class but {type(found).__name__}: one instance is made for each call")
    check_handler(found, path)
    return found


def check_handler(handler: type, name: str) -> None:
    """Raise BadHandler, with `name`, if the class could never be made or be told of an event."""
    problems = list(_problems(handler))
    if problems:
        raise BadHandler(f"{name} cannot be used: " + "; ".join(problems))


def misspelt(handler: type) -> list[str]:
    """Return the names of methods that look like event methods but match no event."""
    known = set(METHODS.values())
    return sorted(name for name in dir(handler) if name.startswith("on_") and name not in known)


def _import(name: str) -> object:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as problem:
        if isinstance(problem, ModuleNotFoundError) and _is_on_the_way(problem.name, name):
            words = f"there is no module {problem.name}, neither in the working folder nor where Python looks"
            raise BadHandler(words) from None
        raise BadHandler(f"{name} cannot be imported: {_where(problem)}{_what(problem)}") from problem


def _is_on_the_way(missing: str | None, name: str) -> bool:
    return missing is not None and (name == missing or name.startswith(f"{missing}."))


def _where(problem: BaseException) -> str:
    """Return the last line of the application's own code in the traceback, as `file:line: `."""
    if isinstance(problem, SyntaxError) and problem.filename:
        return f"{problem.filename}:{problem.lineno}: "
    frames = traceback.extract_tb(problem.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_NOT_THE_APPLICATIONS)]
    return "".join(f"{frame.filename}:{frame.lineno}: " for frame in (own or frames)[-1:])


def _what(problem: BaseException) -> str:
    words = problem.msg if isinstance(problem, SyntaxError) else str(problem)
    return f"{type(problem).__name__}: {words}".rstrip(": ")


def _find(module: object, name: str, module_name: str) -> object:
    found = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            classes = ", ".join(_classes_in(module, module_name)) or "none"
            raise BadHandler(f"{module_name} has no {name}; its classes are: {classes}") from None
    return found


def _classes_in(module: object, module_name: str) -> Iterator[str]:
    for name, value in vars(module).items():
        if isinstance(value, type) and value.__module__ == module_name:
            yield name


def _problems(handler: type) -> Iterator[str]:
    if inspect.isabstract(handler):
        yield "it is abstract"
    elif not _takes(handler, 0):
        yield "its constructor must do without arguments"
    methods = methods_of(handler)
    if not methods:
        yield "it has none of the methods " + ", ".join(METHODS.values())
    for kind, name in methods.items():
        arguments = ("call",) if kind is CallStarted else ("call", "event")
        method = getattr(handler, name)
        if not callable(method):
            yield f"{name} is no method"
        elif not _takes(method, len(arguments) + _takes_self(handler, name)):
            yield f"{name} must be {name}(self, {', '.join(arguments)})"


def _takes_self(handler: type, name: str) -> bool:
    method = inspect.getattr_static(handler, name)
    return hasattr(type(method), "__get__") and not isinstance(method, staticmethod | classmethod)


def _takes(function: Callable[..., object], count: int) -> bool:
    """Return True if `function` can be called with `count` arguments, or if that cannot be known."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True
