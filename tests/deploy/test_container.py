"""The container: no Docker runs where the tests do, so its files are linted, and what they start is really run."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.rig import Server, running_server
from voicestt.config.settings import Settings, variables
from voicestt.ops.services import beside_python

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
SECOND_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]


def instruction(name: str, text: str = SECOND_STAGE) -> list[str]:
    """The arguments of each of these instructions."""
    return [line.strip() for line in re.findall(rf"^{name} (.*)$", text, re.MULTILINE)]


def checked(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def composed() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_the_dockerfile_passes_the_linter() -> None:
    checked(beside_python("hadolint"), str(DEPLOY / "Dockerfile"))


def test_the_compose_file_fits_its_published_schema() -> None:
    checked(
        beside_python("check-jsonschema"),
        "--builtin-schema=vendor.compose-spec",
        str(DEPLOY / "compose.yaml"),
    )


def test_the_image_has_two_stages_and_its_last_user_is_not_root() -> None:
    assert len(instruction("FROM", DOCKERFILE)) == 2
    assert instruction("USER") == ["10001:10001"]
    assert instruction("STOPSIGNAL") == ["SIGTERM"]


def test_the_recogniser_of_500_megabytes_is_not_in_the_image_unless_asked_for() -> None:
    (extras,) = [line for line in instruction("ARG", DOCKERFILE) if line.startswith("EXTRAS=")]
    assert extras == "EXTRAS=postgresql,redis"


def test_the_image_starts_what_the_procfile_starts() -> None:
    (command,) = instruction("CMD")
    assert yaml.safe_load(command) == shlex.split((ROOT / "Procfile").read_text().removeprefix("web: "))


def test_all_that_is_copied_is_there_and_goes_to_the_builder() -> None:
    copied = [word for line in instruction("COPY", DOCKERFILE) for word in line.split()[:-1]]
    ours = {word for word in copied if not word.startswith(("--", "/"))}
    sent = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert ours == sent
    assert all((ROOT / name).exists() for name in ours)


def test_what_the_dockerfile_installs_it_installs_from_the_checkout_and_its_pins() -> None:
    installs = re.findall(r"pip install ([^&\n]*)", DOCKERFILE)
    assert installs == ["-r pins.txt", '--constraint pins.txt ".[${EXTRAS}]" ']


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("contained")) as made:
        yield made


def test_the_health_check_says_whether_a_server_lives(server: Server) -> None:
    (check,) = [line.partition("CMD ")[2] for line in instruction("HEALTHCHECK")]
    command = yaml.safe_load(check)
    command[0] = beside_python(command[0])

    def healthy(port: int) -> bool:
        environment = os.environ | {"PORT": str(port)}
        return not subprocess.run(command, env=environment, capture_output=True, check=False).returncode

    assert healthy(server.port)
    assert not healthy(1)


def test_the_services_of_compose_keep_what_the_server_needs() -> None:
    services = composed()["services"]
    ours = services["voicestt"]
    assert set(services) == {"voicestt", "postgres", "redis", "caddy"}
    assert (DEPLOY / ours["build"]["context"] / ours["build"]["dockerfile"]).is_file()
    assert int(ours["stop_grace_period"].removesuffix("s")) > int(ours["environment"]["SHUTDOWN_SECONDS"])
    assert "noeviction" in services["redis"]["command"]
    (network,) = composed()["networks"]["inside"]["ipam"]["config"]
    assert ours["environment"]["TRUSTED_PROXIES"] == network["subnet"]


def test_compose_and_its_example_set_only_variables_that_are_there() -> None:
    known = {variable.name for variable in variables()}
    example = dict(
        line.split("=", 1)
        for line in (DEPLOY / "voicestt.env.example").read_text().splitlines()
        if line and not line.startswith("#")
    )
    given = composed()["services"]["voicestt"]["environment"] | example
    assert set(given) - known == set()
    filled = given | {"PUBLIC_HOST": "voice.example.com", "TWILIO_AUTH_TOKEN": "x"}
    assert Settings.from_environment(filled).trusted_proxies
