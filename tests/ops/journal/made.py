"""A journal with calls in it, and the commands that look into it."""

import json
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from tests.journal.made import Call
from tests.journal.test_writing import Desk
from voicestt.cli import main

__all__ = ["Call", "Desk", "do", "run", "run_json"]


def run(*arguments: str) -> str:
    """The output of a command that succeeds."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json" if arguments[0] != "transcript" else "--format=json"))


def refused(*arguments: str) -> str:
    """The error of a command that fails."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (1, 2)
    assert result.exception is None or isinstance(result.exception, SystemExit), pytest.fail(str(result.exception))
    return result.output


def do(desk: Desk, statement: str, **values: Any) -> list[Any]:
    with desk.database.writing() as connection:
        done = connection.execute(text(statement), values)
        return list(done) if done.returns_rows else []
