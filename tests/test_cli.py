import subprocess
import sys

import pytest
from click.testing import CliRunner

import voicestt
from voicestt.cli import main

COMMANDS = [
    *("call", "calls", "deliveries", "demo", "events-schema", "flag", "gonogo"),
    *("google-local", "load", "settings", "transcript"),
]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def test_help_names_every_command_and_how_the_server_is_started() -> None:
    code, output = run("--help")
    assert code == 0
    for command in COMMANDS:
        assert f"  {command} " in output
    assert "twistd --nodaemon --pidfile= voicestt" in output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    code, output = run(command, "--help")
    assert code == 0
    assert output.startswith(f"Usage: main {command}")


def test_an_unknown_command_is_a_usage_error() -> None:
    code, output = run("fly")
    assert code == 2
    assert "No such command 'fly'" in output


def test_the_version() -> None:
    assert run("--version") == (0, f"main, version {voicestt.__version__}\n")


def test_a_command_does_not_load_another_s_parts() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from voicestt.cli import main; "
        "CliRunner().invoke(main, ['settings']); "
        "print([name for name in ('grpc', 'twisted', 'ctranslate2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
