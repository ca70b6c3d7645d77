"""A server with a page, without a socket, and browsers that ask it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from tests.server.in_memory import HOST, Answer, Bytes, Server
from tests.server.listening import Stream
from voicestt.fleet.fleet import Fleet, FleetParts
from voicestt.journal.port import Record
from voicestt.page.logins import Logins, logins_of
from voicestt.page.page import ServerPage
from voicestt.page.static_files import StaticFiles
from voicestt.recognisers.modes import Flag
from voicestt.server.bounded_http import BoundedSite
from voicestt.server.call_counts import ActiveCalls
from voicestt.server.call_log import CallLog
from voicestt.server.control.flag import FlagSwitch
from voicestt.server.health import HealthReport
from voicestt.server.media_factory import media_resource
from voicestt.server.metrics.page import MetricsPage
from voicestt.server.minute_history import MinuteHistory
from voicestt.server.page_port import ServerParts
from voicestt.server.pipeline import EventPipeline
from voicestt.server.recordings import ServerRecordings
from voicestt.server.root import Root
from voicestt.server.routes import Routes
from voicestt.twilio.signatures import SignatureCheck

PASSWORD, VIEW_PASSWORD = "to see and act", "only to see"
BEGAN = 1_800_000_000.0
SETTINGS = {"PAGE_PASSWORD": PASSWORD, "PAGE_VIEW_PASSWORD": VIEW_PASSWORD}


class PageServer(Server):
    """The server of the other tests, with a page whose shipped files are in `folder`."""

    def __init__(self, clock: Clock, folder: Path | None = None, **variables: str) -> None:
        super().__init__(clock, **{**SETTINGS, **variables})
        everything: Any = clock
        self.pipeline = EventPipeline(everything, self.settings, CallLog(self.registry))
        self.flag = Flag(True)
        self.active = ActiveCalls(self.flag)
        self.history = MinuteHistory(self.calls, self.now)
        self.report = HealthReport(self.calls)
        self.page = self._make_page(everything, folder)
        media = media_resource(clock, self.calls)
        routes = Routes(
            HOST,
            SignatureCheck(self.settings.twilio_auth_token),
            self.registry,
            self.calls,
            media,
            hub=self.pipeline.hub,
            visitors=self.visitors,
            page=self.page,
        )
        self.site = BoundedSite(Root(routes.app.resource()), self.visitors, reactor=clock)

    def now(self) -> float:
        """Seconds since 1970, as the page reckons."""
        return BEGAN + self.clock.seconds()

    def publish(self, *records: Record) -> None:
        """These are written, and told to who listens."""
        self.pipeline.hub.publish(records)

    def browser(self, password: str | None = PASSWORD, **headers: str) -> "Browser":
        """A browser, logged in if a password is given."""
        browser = Browser(self, headers)
        if password is not None:
            assert browser.log_in(password).status == 204
        return browser

    def _make_page(self, clock: Any, folder: Path | None) -> ServerPage:
        switch = FlagSwitch(self.flag, self.active)
        alone = Fleet(clock, None, None, FleetParts(dict, _nothing, _nothing, _nothing))
        self.recordings = ServerRecordings(clock, self.settings)
        self.metrics = MetricsPage([], None)
        server = clock, self.settings, self.calls, self.pipeline, self.report, self.history, switch, self.visitors
        parts = ServerParts(*server, alone, self.recordings, self.metrics)
        logins = logins_of(self.settings, self.now)
        assert isinstance(logins, Logins)
        static = None if folder is None else StaticFiles(folder)
        return ServerPage(parts, logins, dict, static, self.now)


def _nothing(*_: object) -> None: ...


class Browser:
    """A browser that keeps the cookie, and the CSRF token of its login."""

    def __init__(self, server: PageServer, headers: Mapping[str, str]) -> None:
        self._server = server
        self.headers = dict(headers)
        self.cookie = ""
        self.set_cookie = ""
        self.csrf = ""

    def log_in(self, password: str) -> Answer:
        answer = self.post("/page/login", {"password": password})
        if answer.status == 204:
            self.set_cookie = str(answer.headers["set-cookie"])
            self.cookie = self.set_cookie.partition(";")[0]
            self.csrf = self.json("/page/api/session")["csrf"]
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers)

    def json(self, path: str) -> Any:
        """The value that is answered with 200."""
        answer = self.get(path)
        assert answer.status == 200, (answer.status, answer.body)
        return json.loads(answer.body)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        given = {"Content-Type": "application/json", "X-CSRF-Token": self.csrf, **headers}
        return self.ask("POST", path, given, json.dumps({} if body is None else body).encode())

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        own = {**self.headers, **({"Cookie": self.cookie} if self.cookie else {})}
        return self._server.http(method, path, {**own, **headers}, body)

    def listen(self, query: str = "", **headers: str) -> Stream:
        """The page's events."""
        all_headers = {"Cookie": self.cookie, **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in all_headers.items())
        joined = Stream(self._server.site, Bytes(), self._server.clock)
        joined.say(f"GET /page/api/events{query} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        return joined


def error_of(answer: Answer) -> str:
    """The sentence of a refusal."""
    assert answer.headers["content-type"] == "application/json"
    words = json.loads(answer.body)["error"]
    assert isinstance(words, str)
    return words


__all__ = ["BEGAN", "PASSWORD", "VIEW_PASSWORD", "Browser", "PageServer", "error_of"]
