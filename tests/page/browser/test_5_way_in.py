"""The way in: who knows the password, and what those may not who only look."""

import json

from playwright.sync_api import expect

from tests.page.browser.conftest import NewVisitor
from tests.page.browser.stage import VIEW_PASSWORD, PageStage
from tests.page.browser.watching import Watched

_ASK = """
async ([method, path, body]) => {
  const { csrf } = await (await fetch("/page/api/session")).json();
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  return [answer.status, await answer.text()];
}
"""


def test_a_wrong_password_is_refused_and_the_right_one_opens(stage: PageStage, visitor: NewVisitor) -> None:
    window = visitor()
    page = window.page
    page.goto(stage.url)
    page.locator("#password").fill("not the password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("This password is not right.")
    expect(page.locator("header.top")).to_have_count(0)
    page.locator("#password").fill("")
    window.log_in()
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#password")).to_be_visible()
    assert page.evaluate("async () => (await fetch('/page/api/live')).status") == 401


def test_a_viewer_sees_and_finds_nothing_to_act_with(watched: Watched, visitor: NewVisitor) -> None:
    page = visitor().log_in(VIEW_PASSWORD, view=watched.found)
    links = page.locator("header.top nav a").all_inner_texts()
    assert links == ["Live", "Calls", "Health"]
    page.locator(f'tr[data-call="{watched.caller}"] a').click()
    page.locator(".conversation .said").first.wait_for()
    assert page.locator("button.danger, audio").count() == 0
    assert page.locator("bdi", has_text="+1").count() == 0
    page.evaluate("location.hash = '#/health'")
    page.locator(".plots canvas").first.wait_for()
    assert page.get_by_role("switch").count() == 0
    assert page.locator(".acts").count() == 0


def test_what_a_viewer_may_not_is_refused_when_asked_for_by_hand(watched: Watched, visitor: NewVisitor) -> None:
    page = visitor().log_in(VIEW_PASSWORD)
    status, calls = page.evaluate(_ASK, ["GET", f"/page/api/{watched.found}", None])
    assert status == 200
    assert "+1555" not in calls
    session = next(call["session"] for call in json.loads(calls)["calls"] if call["call_sid"] == watched.caller)
    address = f"/page/api/calls/{session}"
    _, shown = page.evaluate(_ASK, ["GET", address, None])
    assert "+1555" not in shown
    refused = [
        ["GET", f"{address}/audio", None],
        ["GET", "/page/api/calls?number=5555", None],
        ["POST", f"{address}/erase", {}],
        ["POST", "/page/api/flag", {"streaming": False}],
        ["POST", "/page/api/gonogo", {}],
        ["POST", "/page/api/destinations/webhook/retry", {}],
    ]
    assert [page.evaluate(_ASK, each)[0] for each in refused] == [403] * len(refused)
