"""Things that nobody gets without the right, asked for by hand; and the page takes no path that is another's."""

import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.page.in_memory import PASSWORD, VIEW_PASSWORD, PageServer, error_of
from tests.server.fakes import TOKEN
from tests.server.in_memory import HOST, Media, Server
from tests.twilio.test_twiml import WANTED
from voicestt.emulators.twilio.signatures import signature

POSTS = [
    ("/page/api/flag", {"streaming": False}),
    ("/page/api/gonogo", {}),
    ("/page/api/destinations/webhook/retry", {}),
    ("/page/api/destinations/webhook/skip", {}),
    ("/page/api/destinations/webhook/discard", {}),
]


@pytest.mark.parametrize(("path", "body"), POSTS)
def test_a_viewer_changes_nothing_even_with_his_own_token(server: PageServer, path: str, body: object) -> None:
    viewer = server.browser(VIEW_PASSWORD)
    answer = viewer.post(path, body)
    assert answer.status == 403
    assert "to look at only" in error_of(answer)
    assert server.flag.is_on


@pytest.mark.parametrize(("path", "body"), [*POSTS, ("/page/logout", {})])
def test_a_post_without_the_login_s_csrf_token_changes_nothing(
    server: PageServer, path: str, body: object
) -> None:
    browser, other = server.browser(), server.browser()
    for token in ("", "x", other.csrf, server.browser(VIEW_PASSWORD).csrf):
        answer = browser.post(path, body, **{"X-CSRF-Token": token})
        assert (answer.status, "CSRF" in error_of(answer)) == (403, True)
    plain = browser.ask("POST", path, {"Content-Type": "text/plain", "X-CSRF-Token": browser.csrf}, b"{}")
    assert plain.status == 415
    elsewhere = browser.post(path, body, **{"Sec-Fetch-Site": "same-site"})
    assert (elsewhere.status, elsewhere.headers["set-cookie"]) == (403, None)
    assert server.flag.is_on


def test_every_answer_forbids_frames_scripts_of_others_and_caches(server: PageServer) -> None:
    browser = server.browser()
    for answer in (
        browser.get("/"),
        browser.get("/page/api/session"),
        browser.get("/page/api/nothing"),
        browser.post("/page/login", {"password": "wrong"}),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] in {"no-store", "no-cache"}
        assert answer.headers["access-control-allow-origin"] is None


def test_shipped_files_are_told_apart_by_their_tag(server: PageServer) -> None:
    stranger = server.browser(None)
    answer = stranger.get("/page/static/app.js")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "שלום" in answer.body.decode()
    tag = answer.headers["etag"]
    again = stranger.get("/page/static/app.js", **{"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    packed = stranger.get("/page/static/app.js", **{"Accept-Encoding": "gzip, br"})
    assert (packed.headers["content-encoding"], len(packed.body) < len(answer.body)) == ("gzip", True)
    assert stranger.get("/page/static/vendor/mark.svg").headers["content-type"] == "image/svg+xml"
    assert b"<title>voicestt" in stranger.get("/").body
    for name in ("../page.py", "%2e%2e/page.py", "vendor", "vendor/", "", "nothing.js", "vendor//mark.svg", "%00"):
        assert stranger.get(f"/page/static/{name}").status == 404


def test_a_page_without_its_files_says_so(clock: object, server: PageServer, tmp_path: object) -> None:
    del clock, tmp_path
    from pathlib import Path

    bare = PageServer(server.clock, Path("/nonexistent"))
    answer = bare.http("GET", "/")
    assert (answer.status, b"lacks the page's files" in answer.body) == (404, True)


OTHERS = [
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/events"),
    ("POST", "/webhook/incoming_call"),
    ("POST", "/webhook/stream_status"),
    ("GET", "/ws/twilio-media"),
    ("GET", "/ws/live"),
    ("GET", "/nothing"),
]


@pytest.mark.parametrize(("method", "path"), OTHERS)
def test_with_a_page_every_other_path_answers_as_without(server: PageServer, method: str, path: str) -> None:
    without = Server(server.clock)
    for headers in ({}, {"Cookie": server.browser().cookie}):
        one, other = server.http(method, path, headers), without.http(method, path, headers)
        assert (one.status, one.headers["content-type"]) == (other.status, other.headers["content-type"])
        assert one.headers["content-security-policy"] is None


def test_with_a_page_calls_are_taken_as_without(server: PageServer) -> None:
    path = "/webhook/incoming_call"
    answer = server.http("POST", path, {"X-Twilio-Signature": signature(TOKEN, f"https://{HOST}{path}")})
    assert (answer.status, answer.body) == (200, WANTED)
    call: Media = server.join()
    assert call.client.is_up


PATHS = st.text(max_size=20).map(lambda text: "/page/" + quote(text)) | st.sampled_from(
    ["/page/api/live", "/page/api/dead/x", "/page/login", "/page/static/app.js", "/tokens", "/page/api/events"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS"]),
    path=PATHS,
    query=st.binary(max_size=20).map(quote),
    body=st.binary(max_size=50) | st.sampled_from([b"{}", b"[]", b'{"password": 1}', b"nul"]),
    cookie=st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=20),
)
def test_whatever_a_stranger_asks_is_refused_and_never_an_error(
    server: PageServer, method: str, path: str, query: str, body: bytes, cookie: str
) -> None:
    headers: dict[str, str | bytes] = {
        "Content-Type": "application/json",
        "Cookie": f"voicestt={cookie}".encode("latin-1"),
    }
    answer = server.http(method, f"{path}?{query}", headers, body)
    assert answer.status in (200, 400, 401, 403, 404, 405, 415, 429)
    assert answer.status != 200 or path == "/page/static/app.js"


def test_more_parameters_than_anybody_sends_are_refused(server: PageServer) -> None:
    query = "&".join(f"p{number}=" for number in range(60))
    assert server.browser().get(f"/page/api/health?{query}").status == 400


def test_a_failure_is_said_in_words_and_the_log_has_it(server: PageServer, logged: object) -> None:
    from tests.conftest import Logged

    assert isinstance(logged, Logged)
    browser = server.browser()
    server.report.problems = None  # type: ignore[method-assign, assignment]
    answer = browser.get("/page/api/health")
    assert (answer.status, "log says why" in error_of(answer)) == (500, True)
    assert len(logged.flush(TypeError)) == 1


def test_the_page_has_its_place_among_the_refusals(server: PageServer) -> None:
    from voicestt.server.metrics.of_calls import refusals

    server.browser(None).log_in("wrong")
    server.browser(VIEW_PASSWORD).post("/page/api/flag", {"streaming": True})
    found = refusals(server.calls.refusals.kinds)
    assert (found["page_password"], found["page_request"], found["other"]) == (1, 1, 0)
    assert json.dumps(PASSWORD) not in str(server.calls.refusals.kinds)
