import pytest
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.page.in_memory import PASSWORD, VIEW_PASSWORD, PageServer, error_of
from tests.server.fakes import settings_of
from tests.server.in_memory import HOST
from voicestt.config.settings import BadSettings
from voicestt.page.logins import LoginTries, cookie_in, logins_of
from voicestt.page.visit import Role


def test_a_password_opens_the_page_in_its_role(server: PageServer) -> None:
    for password, role in ((PASSWORD, "act"), (VIEW_PASSWORD, "view")):
        session = server.browser(password).json("/page/api/session")
        assert session["role"] == role
        assert session["expires"] == "2027-01-15T20:00:00.000Z"
        assert session.keys() >= {"csrf", "version", "record", "fleet", "streaming", "journal", "try"}


def test_without_a_login_nothing_is_told(server: PageServer) -> None:
    stranger = server.browser(None)
    for path in ("session", "live", "events", "health", "flag", "gonogo", "fleet", "dead/webhook"):
        answer = stranger.get(f"/page/api/{path}")
        assert (answer.status, answer.headers["cache-control"]) == (401, "no-store")
        assert "Log in" in error_of(answer)
    assert stranger.post("/page/api/flag", {"streaming": False}).status == 401
    assert server.flag.is_on


def test_a_wrong_password_is_401_and_five_in_a_minute_make_an_address_wait(
    server: PageServer, clock: Clock, logged: Logged
) -> None:
    browser = server.browser(None)
    for _ in range(5):
        answer = browser.log_in("wrong")
        assert (answer.status, answer.headers["set-cookie"]) == (401, None)
        clock.advance(1)
    answer = browser.log_in(PASSWORD)
    assert (answer.status, answer.headers["retry-after"]) == (429, "55")
    clock.advance(56)
    assert browser.log_in(PASSWORD).status == 204
    first, rest = logged.matching("A login at the page was refused with 401")
    assert "It came from" in first
    assert "4 times more" in rest
    assert logged.matching("wrong password") == []


def test_wrong_tries_are_counted_by_address_and_of_few_addresses(clock: Clock) -> None:
    tries = LoginTries(clock.seconds)
    for _ in range(5):
        tries.failed("2001:db8::1")
    assert tries.wait("2001:db8::ffff") == 60  # the same /64
    assert tries.wait("2001:db8:0:1::1") == tries.wait("203.0.113.9") == 0
    clock.advance(59.5)
    assert tries.wait("2001:db8::1") == 1
    for number in range(10_000):
        tries.failed(f"10.0.{number // 256}.{number % 256}")
    assert tries.wait("2001:db8::1") == 0


def test_who_is_behind_a_proxy_that_is_not_trusted_is_not_believed(server: PageServer) -> None:
    for number in range(5):
        assert server.browser(None, **{"X-Forwarded-For": f"203.0.113.{number}"}).log_in("wrong").status == 401
    assert server.browser(None, **{"X-Forwarded-For": "203.0.113.9"}).log_in(PASSWORD).status == 429


def test_the_cookie_is_for_this_page_alone(server: PageServer) -> None:
    plain = server.browser()
    assert plain.cookie.startswith("voicestt=")
    flags = {"Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=43200"}
    assert set(plain.set_cookie.split("; ")[1:]) == flags
    behind = server.browser(PASSWORD, **{"X-Forwarded-Proto": "https"})
    assert behind.cookie.startswith("__Host-voicestt=")
    assert set(behind.set_cookie.split("; ")[1:]) == flags | {"Secure"}
    # What came over http is not believed over https.
    behind.cookie = plain.cookie
    assert behind.get("/page/api/session").status == 401


def test_a_login_ends_by_its_time_and_by_logging_out(server: PageServer, clock: Clock) -> None:
    browser = server.browser(VIEW_PASSWORD)
    answer = browser.post("/page/logout")
    assert (answer.status, answer.headers["set-cookie"].partition(";")[0]) == (204, "voicestt=")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    clock.advance(12 * 3600 + 1)
    assert browser.get("/page/api/session").status == 401


def test_a_login_survives_a_restart_and_not_another_password(clock: Clock, server: PageServer) -> None:
    cookie = server.browser().cookie
    for variables, status in (({}, 200), ({"PAGE_PASSWORD": "another password"}, 401)):
        other = PageServer(clock, None, **variables).browser(None)
        other.cookie = cookie
        assert other.get("/page/api/session").status == status


def test_whatever_is_no_login_is_refused(server: PageServer) -> None:
    browser = server.browser(None)
    for body in (["x"], {}, {"password": 5}, {"password": None}):
        assert browser.post("/page/login", body).status == 400
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert browser.ask("POST", "/page/login", form, b"password=x").status == 415
    assert browser.ask("POST", "/page/login", {"Content-Type": "application/json"}, b"[" * 9_000).status == 400
    elsewhere = browser.post("/page/login", {"password": PASSWORD}, **{"Sec-Fetch-Site": "cross-site"})
    assert (elsewhere.status, elsewhere.headers["set-cookie"]) == (403, None)
    for cookie in (
        "voicestt=",
        "voicestt=gAAAA",
        "voicestt=\xff",
        "voicestt=" + "A" * 5_000,
        "x=y; voicestt",
        ";;",
    ):
        browser.cookie = cookie
        assert browser.get("/page/api/session").status == 401


@pytest.mark.parametrize(("role", "text"), [("act", "PAGE_PASSWORD"), ("view", "PAGE_VIEW_PASSWORD")])
def test_the_key_of_a_role_opens_no_other(role: str, text: str) -> None:
    passwords = {"PAGE_PASSWORD": "the one to act", "PAGE_VIEW_PASSWORD": "the one to look"}
    logins = logins_of(settings_of(**passwords))
    assert logins is not None
    login = logins.log_in(passwords[text])
    assert login is not None
    assert login.role is Role(role)
    assert logins.log_in("neither of both") is None


def test_events_token_opens_a_page_that_has_no_password() -> None:
    logins = logins_of(settings_of(EVENTS_TOKEN="the key to everything"))
    assert logins is not None
    login = logins.log_in("the key to everything")
    assert login is not None
    assert login.role is Role.ACT
    both = logins_of(settings_of(EVENTS_TOKEN="the key to everything", PAGE_PASSWORD="a password"))
    assert both is not None
    assert both.log_in("the key to everything") is None
    assert logins_of(settings_of()) is None


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PAGE_VIEW_PASSWORD": "only to see"}, "PAGE_VIEW_PASSWORD needs PAGE_PASSWORD"),
        ({"PAGE_PASSWORD": "same same", "PAGE_VIEW_PASSWORD": "same same"}, "is the same as"),
        ({"EVENTS_TOKEN": "same same", "PAGE_VIEW_PASSWORD": "same same"}, "is the same as"),
        ({"PAGE_PASSWORD": "short"}, "PAGE_PASSWORD is shorter than 8 letters"),
    ],
)
def test_passwords_that_cannot_work_are_named_and_not_repeated(variables: dict[str, str], words: str) -> None:
    with pytest.raises(BadSettings, match=words) as caught:
        settings_of(**variables)
    assert not {"same same", "only to see", "short:"} & set(str(caught.value).split("\n"))


def test_without_a_password_the_root_says_how_it_is_switched_on(clock: Clock) -> None:
    from tests.server.in_memory import Server

    answer = Server(clock).http("GET", "/")
    assert (answer.status, answer.body) == (404, b"There is no page here: PAGE_PASSWORD switches it on.\n")
    for path in ("/page", "/page/", "/page/login", "/page/api/session"):
        assert Server(clock).http("GET", path).status == 404


@pytest.mark.parametrize("header", [None, "", "a=b", "voicestt", "=;=", "voicestt2=x", "__Host-voicestt=y"])
def test_a_cookie_is_found_among_others_or_not_at_all(header: str | None) -> None:
    assert cookie_in(header, is_secure=False) == ""
    others = 'weird={"a":1}; é=ü; '
    assert cookie_in(f"{others}voicestt=sealed; x=y", is_secure=False) == "sealed"


def test_the_public_name_is_https(server: PageServer) -> None:
    raw = server.ask(
        b"POST /page/login HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nContent-Type: application/json\r\n"
        b'Content-Length: 29\r\n\r\n{"password":"to see and act"}'
    )
    assert b"set-cookie: __host-voicestt=" in raw.lower()
