from click.testing import CliRunner

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
