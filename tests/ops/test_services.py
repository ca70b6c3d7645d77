import os
import socket
import sys
from pathlib import Path

import pytest

from voicestt.ops.services import Services, free_port


def test_the_server_is_pointed_at_the_local_google_service(tmp_path: Path) -> None:
    services = Services(tmp_path, google_port=1001, server_port=1002)
    environment = services.server_environment(
        {"PATH": "/bin", "GCP_STT_MODEL": "x", "PORT": "1", "WHISPER_URL": "y"}
    )
    assert environment == {
        "PATH": "/bin",
        "PUBLIC_HOST": "demo.example",
        "TWILIO_AUTH_TOKEN": services.auth_token,
        "ENABLE_STREAMING_STT": "true",
        "GCP_STT_ENDPOINT": "127.0.0.1:1001",
        "GCP_STT_INSECURE": "true",
        "GCP_STT_LANGUAGE": "en-US",
        "EVENTS_FILE": str(tmp_path / "events.jsonl"),
        "JOURNAL_URL": f"sqlite:///{tmp_path.resolve()}/journal.db",
        "SHUTDOWN_SECONDS": "0",
        "PYTHONUNBUFFERED": "1",
    }
    assert services.server_command()[1:] == [
        *("--nodaemon", "--pidfile=", "voicestt", "--listen", "tcp:1002:interface=127.0.0.1"),
    ]
    assert services.url == "http://127.0.0.1:1002"


def test_the_recogniser_records_what_it_gets_and_may_have_a_script(tmp_path: Path) -> None:
    command = Services(tmp_path, google_port=1001).google_command()
    assert command[1:] == ["google-local", "--listen", "127.0.0.1:1001", "--record", str(tmp_path / "streams")]
    scripted = Services(tmp_path, google_port=1001, script=tmp_path / "script.json")
    assert scripted.google_command() == [*command, "--script", str(tmp_path / "script.json")]


def test_commands_are_those_of_this_installation(tmp_path: Path) -> None:
    folder = os.path.dirname(sys.executable)
    services = Services(tmp_path)
    assert services.google_command()[0] == os.path.join(folder, "voicestt")
    assert services.server_command()[0] == os.path.join(folder, "twistd")


def test_everybody_has_secrets_and_ports_of_their_own(tmp_path: Path) -> None:
    one, other = Services(tmp_path), Services(tmp_path)
    assert one.auth_token != other.auth_token
    assert one.auth_token not in repr(one)


def test_a_free_port_is_none_that_the_system_gives_to_connections() -> None:
    ports = [free_port() for _ in range(20)]
    assert all(1024 < port < 32_768 for port in ports)
    assert len(set(ports)) == len(ports), "none is handed out twice, though nobody listens yet"
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_where_all_such_ports_are_taken_one_of_the_system_s_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("voicestt.ops.services._chance.sample", lambda *_: [port])
        assert free_port() not in {0, port}
