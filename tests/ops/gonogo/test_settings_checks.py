import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.ops.gonogo.run_contexts import ENVIRON, findings_of, run_context
from tests.recognisers.on_reactor import on_reactor, reactor
from voicestt.ops.gonogo.report import CheckOutcome, Finding, as_json
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.settings_checks import settings_checks, why_not_public


def service_account() -> tuple[str, str]:
    """A key as Google's console gives it, and the private part of it."""
    key = rsa.generate_private_key(65_537, 2_048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = {
        "type": "service_account",
        "project_id": "shop-speech",
        "client_email": "x@shop-speech.example",
        "private_key": key.decode(),
        "token_uri": "https://oauth2.example/token",
    }
    return json.dumps(info), key.decode()


async def found(folder: Path, **variables: str) -> dict[str, Finding]:
    return await findings_of(settings_checks(RunContext(reactor, Where.STARTED, {**ENVIRON, **variables}, folder)))


@on_reactor
async def test_a_key_is_named_by_its_kind_and_project_and_never_printed(tmp_path: Path) -> None:
    key, secret = service_account()
    findings = await found(tmp_path, GOOGLE_APPLICATION_CREDENTIALS=key)
    assert {finding.outcome for finding in findings.values()} == {CheckOutcome.OK}
    assert findings["settings.key"].figure == "service_account, project shop-speech"
    printed = as_json(list(findings.values()))
    assert secret.splitlines()[1] not in printed
    assert ENVIRON["TWILIO_AUTH_TOKEN"] not in printed


@on_reactor
async def test_every_variable_that_cannot_be_used_is_named_and_the_rest_waits(tmp_path: Path) -> None:
    findings = await found(tmp_path, PUBLIC_HOST="", STT_BATCH_MS="fast")
    assert findings["settings.read"].outcome is CheckOutcome.FAILED
    assert "PUBLIC_HOST is not set" in findings["settings.read"].advice
    assert "STT_BATCH_MS is not a whole number" in findings["settings.read"].advice
    assert findings["settings.host"].outcome is CheckOutcome.SKIPPED


@on_reactor
async def test_the_variables_of_a_file_count_too(tmp_path: Path) -> None:
    file = tmp_path / "server.env"
    file.write_text("PUBLIC_HOST=x.ngrok.io\nSTT_BATCH_MS=100\n")
    variables = {"VOICESTT_ENV_FILE": str(file), "GCP_STT_ENDPOINT": "127.0.0.1:1", "GCP_STT_INSECURE": "true"}
    environ = {**variables, "TWILIO_AUTH_TOKEN": "t"}
    findings = await findings_of(settings_checks(RunContext(reactor, Where.STARTED, environ, tmp_path)))
    assert "tunnel" in findings["settings.host"].advice
    assert findings["settings.key"].outcome is CheckOutcome.OK


@on_reactor
async def test_a_server_that_takes_anybodys_requests_is_no_go(tmp_path: Path) -> None:
    findings = await found(tmp_path, TWILIO_VALIDATE="false", STT_ENGINE="embedded")
    assert findings["settings.signed"].outcome is CheckOutcome.FAILED


@on_reactor
async def test_without_any_key_it_is_said_where_one_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> None:
        raise google.auth.exceptions.DefaultCredentialsError("the file /x holds: s3cret")

    import google.auth

    monkeypatch.setattr(google.auth, "default", nobody)
    findings = await found(tmp_path)
    assert findings["settings.key"].outcome is CheckOutcome.FAILED
    assert "GOOGLE_APPLICATION_CREDENTIALS" in findings["settings.key"].advice
    assert "s3cret" not in as_json(list(findings.values()))


def test_the_server_s_address_depends_on_where_it_runs(tmp_path: Path) -> None:
    assert run_context(tmp_path, Where.PUBLIC).url == "https://voice.shop.co.il"
    assert run_context(tmp_path, address="127.0.0.1:5000").url == "http://127.0.0.1:5000"
    assert run_context(tmp_path, Where.PUBLIC, EVENTS_FILE="/x").events_file is None
    assert run_context(tmp_path, EVENTS_FILE="/x").events_file == Path("/x")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:5000",
        "myserver",
        "server.local",
        "app.internal",
        "127.0.0.1",
        "10.1.2.3:8443",
        "192.168.0.4",
        "8.8.8.8",
        "[::1]:443",
        "1a2b-3c.picard.replit.dev",
        "proj.user.repl.co",
        "abcd.ngrok.io",
        "ABCD.ngrok-free.app",
        "quiet-tree.trycloudflare.com",
        "x.loca.lt",
        "user-5000.app.github.dev",
        "voice.example.com",
        "demo.example",
        "voice.test",
    ],
)
def test_no_live_number_may_depend_on_it(host: str) -> None:
    assert why_not_public(host)


@pytest.mark.parametrize(
    "host",
    [
        "voice.shop.co.il",
        "voice.shop.co.il:8443",
        "voice.replit.app",
        "my-app.herokuapp.com",
        "ngrok.shop.com",
        "notngrok.io.shop.com",
        "localhost.shop.com",
        "latest.dev",
    ],
)
def test_a_name_of_ones_own_is_fine(host: str) -> None:
    assert why_not_public(host) is None


def test_it_says_why() -> None:
    assert "tunnel" in (why_not_public("x.ngrok.app") or "")
    assert "development machine" in (why_not_public("x.replit.dev") or "")
