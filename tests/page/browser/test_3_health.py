"""Health: plots, destinations and their dead letters, the report, and the flag."""

from playwright.sync_api import expect

from tests.page.browser.conftest import NewVisitor
from tests.page.browser.stage import PageStage
from tests.page.browser.watching import Watched


def test_the_last_hour_and_the_last_day_are_plotted(watched: Watched, visitor: NewVisitor) -> None:
    page = visitor().log_in(view="health")
    expect(page.locator(".plots canvas")).to_have_count(6)
    with page.expect_response(lambda answer: "span=day" in answer.url) as told:
        page.get_by_role("button", name="Last day").click()
    assert told.value.json()["span"] == "day"
    expect(page.locator(".plots canvas")).to_have_count(6)


def test_what_waits_for_a_receiver_that_is_down_is_seen_skipped_and_discarded(
    watched: Watched, visitor: NewVisitor
) -> None:
    page = visitor().log_in(view="health")
    row = page.locator("tr", has=page.get_by_role("rowheader", name="webhook"))
    expect(row).to_be_visible()
    row.get_by_role("button", name="Skip").click()
    page.get_by_role("dialog").get_by_role("button", name="Skip").click()
    expect(row.get_by_role("status")).to_contain_text("Done")
    dead = row.locator("button[aria-expanded]")
    dead.click()
    expect(page.locator(".dead li").first).to_contain_text("call_ended")
    row.get_by_role("button", name="Discard").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(dead).to_have_count(0)


def test_the_flag_is_turned_after_a_question_that_says_who_is_moved(stage: PageStage, visitor: NewVisitor) -> None:
    page = visitor().log_in()
    stage.call(31, 9.0)
    page.locator(".card:not(.over) .chip[data-mode=streaming]").first.wait_for()
    window = visitor()
    health = window.log_in(view="health")
    switch = health.get_by_role("switch")
    switch.click()
    dialog = health.get_by_role("dialog")
    expect(dialog).to_contain_text("moved to single requests: 1.")
    window.picture("flag")
    dialog.get_by_role("button", name="Switch off").click()
    expect(health.locator("[data-streaming=false]")).to_be_visible()
    expect(health.get_by_role("status").filter(has_text="moved")).to_contain_text("Calls moved: 1.")
    page.locator(".card .chip:not([data-mode=streaming])").first.wait_for()
    switch.click()
    health.get_by_role("dialog").get_by_role("button", name="Switch on").click()
    expect(health.locator("[data-streaming=true]")).to_be_visible()
