from click.testing import CliRunner

from voicestt.cli import main
from voicestt.config.settings import variables


def rows() -> list[list[str]]:
    output = CliRunner().invoke(main, ["settings"], catch_exceptions=False).output
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines()]


def test_the_table_has_a_row_for_each_variable() -> None:
    head, line, *body = rows()
    assert head == ["variable", "default", "meaning"]
    assert line == ["---", "---", "---"]
    assert [row[0] for row in body] == [f"`{variable.name}`" for variable in variables()]
    assert all(len(row) == 3 and row[2] for row in body)


def test_it_says_what_is_required_and_what_is_not_set() -> None:
    defaults = {name.strip("`"): default for name, default, _ in rows()[2:]}
    assert defaults["PUBLIC_HOST"] == "required"
    assert defaults["STT_BATCH_MS"] == "`150`"
    assert defaults["GOOGLE_APPLICATION_CREDENTIALS"] == "not set"
