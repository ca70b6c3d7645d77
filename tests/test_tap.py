import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import IService
from twisted.internet import reactor as installed_reactor
from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from tests.config.test_credentials import KEY, TEXT
from tests.conftest import Logged
from tests.server import fakes
from tests.server.fakes import TOKEN
from voicestt.server.service import VoiceService
from voicestt.tap import Options, makeService
from voicestt.workers.start import VARIABLE, WorkerStart, written
from voicestt.workers.supervisor import Supervisor

reactor: Any = installed_reactor

ENVIRONMENT = {**fakes.ENVIRONMENT, "GCP_STT_ENDPOINT": "127.0.0.1:1", "GCP_STT_INSECURE": "true"}


def parsed(*arguments: str, environ: dict[str, str] | None = None) -> Options:
    options = Options(ENVIRONMENT if environ is None else environ)
    options.parseOptions(list(arguments))  # type: ignore[no-untyped-call]
    return options


def endpoints(*arguments: str, **variables: str) -> list[str]:
    options = parsed(*arguments, environ={**ENVIRONMENT, **variables})
    return options.endpoints(options.settings)


def usage_error(*arguments: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        parsed(*arguments, environ=environ)
    return str(caught.value)


def test_it_listens_on_all_interfaces_where_nothing_is_said() -> None:
    assert endpoints() == ["tcp:5000"]
    assert endpoints(PORT="8080") == ["tcp:8080"]


def test_the_option_wins_over_the_variable() -> None:
    assert endpoints("--port", "9000", PORT="8080") == ["tcp:9000"]


def test_listen_takes_the_place_of_the_default() -> None:
    assert endpoints("--listen", "tcp:1:interface=127.0.0.1", "-l", "tcp:2") == [
        "tcp:1:interface=127.0.0.1",
        "tcp:2",
    ]


def test_an_address_for_the_metrics_is_checked_before_the_start() -> None:
    assert parsed("--metrics", "tcp:9464:interface=127.0.0.1")["metrics"] == "tcp:9464:interface=127.0.0.1"
    assert parsed()["metrics"] is None
    assert "--metrics carrier-pigeon:5: " in usage_error("--metrics", "carrier-pigeon:5")


def test_port_and_listen_together_are_both() -> None:
    assert endpoints("--port", "1", "--listen", "tcp:2") == ["tcp:1", "tcp:2"]


def test_every_problem_is_in_one_usage_error() -> None:
    environ = {"STT_BATCH_MS": "often", "PORT": "many", "STT_ENGINE": "embedded"}
    error = usage_error("--listen", "carrier-pigeon:5", "--listen", "tcp:x", environ=environ)
    first, *lines = error.splitlines()
    assert first == "it cannot start:"
    assert [line[: len("  - ")] for line in lines] == ["  - "] * 6
    for words in (
        "PUBLIC_HOST is not set",
        "TWILIO_AUTH_TOKEN is not set",
        "STT_BATCH_MS is not a whole number",
        "PORT is not a whole number",
        "--listen carrier-pigeon:5: ",
        "--listen tcp:x: ",
    ):
        assert words in error


def test_a_port_that_is_none() -> None:
    assert "PORT is not between 0 and 65535" in usage_error("--port", "65536")


def test_the_env_file_is_read(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("STT_BATCH_MS=100\nGCP_STT_LANGUAGE='en-US'\nEMPTY\n# a remark\n")
    settings = parsed("--env-file", str(env_file)).settings
    assert (settings.batch_ms, settings.language) == (100, "en-US")


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("STT_BATCH_MS=100\nPORT=1\nPUBLIC_HOST=from.file.example\n")
    options = parsed("--env-file", str(env_file), environ={**ENVIRONMENT, "STT_BATCH_MS": "200"})
    assert options.settings.batch_ms == 200
    assert options.settings.port == 1
    assert options.settings.public_host == "voice.example.com"


def test_the_env_file_is_taken_as_it_stands(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("EVENTS_FILE='/a/${HOME}/b'\n")
    settings = parsed("--env-file", str(env_file)).settings
    assert settings.events_file == "/a/${HOME}/b"


def test_the_env_file_can_be_read_again_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "env").write_text("ENABLE_STREAMING_STT=true\n")
    monkeypatch.chdir(tmp_path)
    options = parsed(environ={**ENVIRONMENT, "VOICESTT_ENV_FILE": "env"})
    monkeypatch.chdir("/")
    (tmp_path / "env").write_text("ENABLE_STREAMING_STT=false\n")
    assert options.environment_file.read_again().is_on is False


def test_an_env_file_that_is_not_there(tmp_path: Path) -> None:
    error = usage_error("--env-file", str(tmp_path / "none"), "--listen", "tcp:x")
    assert "there is no such file" in error
    assert "--listen tcp:x" in error


def test_an_env_file_that_is_no_text(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"PUBLIC_HOST=\xff\xfe\x00\n")
    assert f"--env-file {env_file}: it is no text" in usage_error("--env-file", str(env_file))


def test_a_key_that_google_cannot_load_is_found_before_the_start() -> None:
    error = usage_error(environ={**ENVIRONMENT, "GOOGLE_APPLICATION_CREDENTIALS": TEXT})
    assert "GOOGLE_APPLICATION_CREDENTIALS is a service_account key that Google cannot load" in error
    assert "c2VjcmV0" not in error
    assert KEY["client_email"] not in error


def test_what_only_the_start_would_find_is_in_the_same_error(tmp_path: Path) -> None:
    error = usage_error(
        "--listen", "tcp:x", "--handler", "nowhere.at.all:Handler", environ={**ENVIRONMENT, "GREETING": "Good day"}
    )
    for words in ("--listen tcp:x", "HANDLER=nowhere.at.all:Handler: there is no module", "GREETING is a text"):
        assert words in error


def test_an_application_is_not_imported_before_twistd_forks() -> None:
    options = Options({**ENVIRONMENT, "HANDLER": "nowhere.at.all:Handler"})
    options.parent = TwistedOptions()
    options.parent["nodaemon"] = 0
    options.parseOptions([])  # type: ignore[no-untyped-call]


def test_a_misspelt_variable_is_warned_of_with_the_one_that_was_meant(tmp_path: Path, logged: Logged) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("STT_BATCHMS=100\n")
    environ = {**ENVIRONMENT, "EVENTS_WEBHOK_URL": "x", "PATH": "y"}
    makeService(parsed("--env-file", str(env_file), environ=environ))
    told = "⚠️ {} is set, and there is no such variable: is {} meant? It has no effect."
    assert logged.lines == [
        told.format("EVENTS_WEBHOK_URL", "EVENTS_WEBHOOK_URL"),
        told.format("STT_BATCHMS", "STT_BATCH_MS"),
    ]


def test_no_secret_is_in_an_error() -> None:
    error = usage_error(
        environ={"TWILIO_AUTH_TOKEN": TOKEN, "GOOGLE_APPLICATION_CREDENTIALS": TEXT.replace("service_", "")}
    )
    assert TOKEN not in error
    assert "c2VjcmV0" not in error


def test_help_says_what_there_is() -> None:
    text = str(Options(ENVIRONMENT))
    for option in ("--port=", "--listen=", "--env-file="):
        assert option in text


def test_making_the_service_begins_nothing(tmp_path: Path) -> None:
    before, readers = set(threading.enumerate()), set(reactor.getReaders())
    options = parsed(environ={**ENVIRONMENT, "PORT": "0", "EVENTS_FILE": str(tmp_path / "events")})
    service = makeService(options)
    assert IService.providedBy(service)
    assert isinstance(service, VoiceService)
    assert service.addresses == []
    assert set(threading.enumerate()) == before
    assert not (tmp_path / "events").exists()
    assert set(reactor.getReaders()) == readers


def test_output_that_cannot_show_hebrew_loses_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as narrow:
        monkeypatch.setattr(sys, "stdout", narrow)
        makeService(parsed())
        print("🟢 Final: שלום", file=sys.stdout)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "🟢 Final: שלום\n"


def test_the_working_folder_has_the_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    (tmp_path / "mine.py").write_text("class Mine:\n    def on_final(self, call, event):\n        pass\n")
    makeService(parsed())
    assert str(tmp_path) not in sys.path
    makeService(parsed("--handler", "mine:Mine"))
    assert sys.path[0] == str(tmp_path)


def test_traces_that_cannot_be_sent_as_asked_stop_the_start() -> None:
    error = usage_error(environ={**ENVIRONMENT, "OTEL_TRACES_EXPORTER": "zipkin"})
    assert "OTEL_TRACES_EXPORTER=zipkin is not known" in error


def started_as_worker(**more: str) -> dict[str, str]:
    start = WorkerStart("2", 4, 3, 5, [[]], flag=False)
    return {**ENVIRONMENT, "WEB_CONCURRENCY": "2", VARIABLE: written(start), **more}


def test_one_worker_is_a_process_without_a_supervisor() -> None:
    assert not parsed().supervises
    assert not parsed("--workers", "1").supervises
    assert isinstance(makeService(parsed("--workers", "1")), VoiceService)


def test_several_workers_or_a_reload_take_a_supervisor() -> None:
    assert parsed("--workers", "2").supervises
    assert parsed("--reload").supervises
    assert parsed(environ={**ENVIRONMENT, "WEB_CONCURRENCY": "3"}).supervises
    assert not parsed("-w", "1", environ={**ENVIRONMENT, "WEB_CONCURRENCY": "3"}).supervises
    assert isinstance(makeService(parsed("--workers", "2")), Supervisor)


def test_what_is_wrong_with_the_settings_is_said_by_the_supervisor_too() -> None:
    error = usage_error("--workers", "2", "--handler", "nowhere:Handler", environ=dict(ENVIRONMENT))
    assert "there is no module nowhere" in error
    assert "WEB_CONCURRENCY" in usage_error("--workers", "0", environ=dict(ENVIRONMENT))


def test_a_worker_is_told_what_its_supervisor_was(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.touch()
    arguments = ["--workers", "2", "--env-file", str(file), "--metrics", "tcp:1", "--port", "9000", "-l", "tcp:2"]
    options = parsed(*arguments).worker_options()
    assert options == [
        *("--workers", "2", "--env-file", str(file), "--metrics", "tcp:1"),
        *("--listen", "tcp:9000", "--listen", "tcp:2"),
    ]


def test_a_worker_starts_no_others_and_has_the_flag_as_it_was_turned() -> None:
    environ = started_as_worker()
    worker = parsed("--workers", "2", "--listen", "systemd:domain=INET:index=0", environ=environ)
    assert not worker.supervises
    assert worker.worker is not None
    assert not worker.settings.enable_streaming_stt
    assert VARIABLE not in environ


def test_what_no_supervisor_wrote_is_a_problem() -> None:
    assert "set by a supervisor only" in usage_error(environ={**ENVIRONMENT, VARIABLE: "1"})
