"""The page of a whole server, on a socket."""

import http.client
import json
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread

from tests.journal.made import eventually
from tests.recognisers.on_reactor import on_reactor, reactor, soon
from tests.server.fakes import settings_of
from voicestt.page.page import page_of
from voicestt.server.service import VoiceService
from voicestt.tap import Options, makeService

PASSWORD = "to see and act"


def ask(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        given = {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        connection.request(method, path, None if body is None else json.dumps(body), given)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, answer.headers, text
    finally:
        connection.close()


@on_reactor
async def test_a_server_shows_its_page_and_what_the_page_asks_of_it(tmp_path: Path) -> None:
    settings = settings_of(
        PAGE_PASSWORD=PASSWORD,
        JOURNAL_URL=f"sqlite:///{tmp_path}/journal.db",
        EVENTS_WEBHOOK_URL="http://127.0.0.1:1/",
        EVENTS_WEBHOOK_SECRET="whsec_" + "A" * 40,
        GCP_STT_ENDPOINT="127.0.0.1:1",
        GCP_STT_INSECURE="true",
        VOICESTT_SOCKET=str(tmp_path / "control"),
    )
    service = VoiceService(reactor, settings, ["tcp:0:interface=127.0.0.1"], page=page_of)
    service.startService()
    await eventually(lambda: service.addresses)
    port = int(service.addresses[0].port)

    async def asked(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        found: tuple[int, Any, Any] = await deferToThread(ask, port, method, path, body, **headers)
        return found

    try:
        status, headers, _ = await asked("POST", "/page/login", {"password": PASSWORD})
        assert status == 204
        cookie = headers["set-cookie"].partition(";")[0]
        status, _, text = await asked("GET", "/page/api/session", Cookie=cookie)
        session = json.loads(text)
        assert (status, session["role"], session["journal"]) == (200, "act", True)
        for path in ("live", "health?span=day", "flag", "gonogo", "dead/webhook", "calls"):
            status, _, text = await asked("GET", f"/page/api/{path}", Cookie=cookie)
            assert (status, json.loads(text) != {}) == (200, True)
        health = json.loads((await asked("GET", "/page/api/health", Cookie=cookie))[2])
        assert [each["name"] for each in health["destinations"]] == ["webhook"]
        live = json.loads((await asked("GET", "/page/api/live", Cookie=cookie))[2])
        assert live == {"calls": [], "last_event_id": "0"}
        retry = await asked(
            "POST", "/page/api/destinations/webhook/retry", {}, Cookie=cookie, X_CSRF_Token=session["csrf"]
        )
        assert (retry[0], json.loads(retry[2])) == (200, {"done": 0})
    finally:
        await soon(service.stopService())


def test_twistd_gives_the_server_its_page(tmp_path: Path) -> None:
    from tests.test_tap import ENVIRONMENT

    options = Options({**ENVIRONMENT, "PAGE_PASSWORD": PASSWORD})
    options.parseOptions([])  # type: ignore[no-untyped-call]
    assert isinstance(makeService(options), VoiceService)
    assert options.settings.page_password == PASSWORD
