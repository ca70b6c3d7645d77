from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.server.fakes import TOKEN
from voicestt.cli import main
from voicestt.config.settings import variables
from voicestt.ops.settings import GROUPS


def lines() -> list[str]:
    output = CliRunner().invoke(main, ["settings"], catch_exceptions=False).output
    return [line for line in output.splitlines() if line]


def tables() -> dict[str, list[list[str]]]:
    """The rows under each heading."""
    found: dict[str, list[list[str]]] = {}
    for line in lines():
        if line.startswith("## "):
            found[line.removeprefix("## ")] = rows = []
        else:
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def test_each_group_is_a_table_with_a_row_for_each_of_its_variables() -> None:
    assert list(tables()) == list(GROUPS)
    for group, (head, line, *body) in tables().items():
        assert head == ["variable", "default", "meaning"]
        assert line == ["---", "---", "---"]
        assert [row[0] for row in body] == [f"`{name}`" for name in GROUPS[group]]
        assert all(len(row) == 3 and row[2] for row in body)


def test_every_variable_is_in_one_group() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(variable.name for variable in variables())


def test_those_that_must_be_set_come_first() -> None:
    (_, first), *_ = GROUPS.items()
    assert len(first) == 6
    assert {variable.name for variable in variables() if variable.required} <= set(first)


def test_it_says_what_is_required_and_what_is_not_set() -> None:
    defaults = {name.strip("`"): default for rows in tables().values() for name, default, _ in rows[2:]}
    assert defaults["PUBLIC_HOST"] == "required"
    assert defaults["STT_BATCH_MS"] == "`150`"
    assert defaults["GOOGLE_APPLICATION_CREDENTIALS"] == "not set"


GOOD = {"PUBLIC_HOST": "a.example", "TWILIO_AUTH_TOKEN": TOKEN, "STT_ENGINE": "embedded", "JOURNAL_URL": "off"}


def effective(monkeypatch: pytest.MonkeyPatch, *arguments: str, **environ: str) -> Result:
    for name in [*(variable.name for variable in variables()), "VOICESTT_ENV_FILE"]:
        monkeypatch.delenv(name, raising=False)
    return CliRunner().invoke(main, ["settings", "--effective", *arguments], env={**GOOD, **environ})


def test_what_is_in_force_is_shown_with_its_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("STT_BATCH_MS=100\nPUBLIC_HOST=from.file.example\n")
    result = effective(monkeypatch, "--env-file", str(file))
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in result.output.splitlines()}
    assert rows["VARIABLE"] == ["VALUE", "FROM"]
    assert rows["PUBLIC_HOST"] == ["a.example", "environment"]
    assert rows["STT_BATCH_MS"] == ["100", f"env file {file}"]
    assert rows["STT_RESTARTS"] == ["3", "default"]
    assert rows["TWILIO_AUTH_TOKEN"] == ["set", "environment"]
    assert TOKEN not in result.output
    assert len(rows) == len(variables()) + 1
    assert result.exit_code == 0


def test_what_is_wrong_is_said_and_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    result = effective(monkeypatch, STT_BATCH_MS="often", GREETING="Good day", EVENTS_WEBHOK_URL="x")
    assert result.exit_code == 1
    assert "STT_BATCH_MS                    (cannot be used)" in result.output
    assert "Warning: EVENTS_WEBHOK_URL is set" in result.output
    _, _, problems = result.output.partition("Error: a server would not start so:\n")
    assert [line.split()[1] for line in problems.splitlines()] == ["STT_BATCH_MS", "GREETING"]


def test_an_env_file_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = effective(monkeypatch, "--env-file", str(tmp_path / "none"))
    assert result.exit_code == 1
    assert "there is no such file" in result.output
