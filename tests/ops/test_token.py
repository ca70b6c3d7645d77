import pytest
from click.testing import CliRunner, Result

from voicestt.cli import main
from voicestt.delivery.live.tokens import ScopedTokens


def run(*arguments: str, token: str = "the key to everything") -> Result:
    environment = {"EVENTS_TOKEN": token, "VOICESTT_ENV_FILE": ""}
    return CliRunner().invoke(main, ["token", *arguments], env=environment)


def test_a_token_is_printed_that_the_server_takes() -> None:
    result = run("--call", "CA1", "--minutes", "5")
    assert result.exit_code == 0, result.output
    tokens = ScopedTokens("the key to everything")
    scope = tokens.read(result.stdout.strip())
    assert scope is not None
    assert (scope.call, scope.number) == ("CA1", None)
    assert 0 < tokens.seconds_left(scope) <= 300
    assert "It is good until 20" in result.stderr
    numbered = tokens.read(run("--number", "+972501234567").stdout.strip())
    assert numbered is not None
    assert numbered.number == "+972501234567"


@pytest.mark.parametrize(
    "arguments", [[], ["--call", "CA1", "--number", "+1"], ["--call", "CA1", "--minutes", "0"]]
)
def test_a_token_for_nothing_is_refused_in_words(arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.output.startswith("Error: ")) == (1, True)


def test_without_the_server_s_token_none_is_made() -> None:
    result = run("--call", "CA1", token="")
    assert (result.exit_code, "EVENTS_TOKEN is not set here" in result.output) == (1, True)
