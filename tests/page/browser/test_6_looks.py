"""The looks of each view: pictures of all of them, and axe-core finds nothing serious in any."""

from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.page.browser.conftest import NewVisitor
from tests.page.browser.stage import PageStage, Visitor
from tests.page.browser.watching import Watched

_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
_LOOKS: dict[str, dict[str, Any]] = {
    "desktop-light-en": {},
    "phone-dark-he": {
        "locale": "he-IL",
        "color_scheme": "dark",
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
    },
}
_READY = {
    "live": ".card li",
    "calls": "table.calls tbody tr",
    "call": ".plot canvas",
    "health": ".plots canvas",
    "try": ".try",
}


def serious(page: Page) -> list[str]:
    """All that axe-core calls serious or critical in the page as it is, with the place."""
    page.evaluate(_AXE)
    found = page.evaluate("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations")
    return [
        f"{each['id']}: {node['html'][:160]}"
        for each in found
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("look", _LOOKS)
def test_every_view_reads_well_and_fits(
    look: str, stage: PageStage, watched: Watched, visitor: NewVisitor
) -> None:
    window = visitor(**_LOOKS[look])
    page = window.page
    page.goto(stage.url)
    page.locator("#password").wait_for()
    assert seen(window, f"login-{look}") == []
    window.log_in()
    (call,) = page.context.request.get(f"{stage.url}page/api/{watched.found}").json()["calls"]
    problems: list[str] = []
    with stage.crowd(6, 60.0):
        for view, ready in _READY.items():
            window.show(f"call/{call['session']}" if view == "call" else view)
            page.locator(ready).first.wait_for()
            problems += seen(window, f"{view}-{look}")
    assert problems == []


def seen(window: Visitor, name: str) -> list[str]:
    """Make a picture of the view; its problems: what axe-core finds, and what is wider than the window."""
    window.picture(name)
    page = window.page
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{name}: {problem}" for problem in serious(page)] + (
        [f"{name}: {wide} px too wide"] if wide > 0 else []
    )


def test_the_page_can_be_used_by_keyboard_alone(stage: PageStage, visitor: NewVisitor) -> None:
    window = visitor()
    page = window.page
    page.goto(stage.url)
    page.locator("#password").wait_for()
    page.keyboard.type("the-page's-password")
    page.keyboard.press("Enter")
    page.locator("header.top").wait_for()
    for name in ("Skip to the content", "Live", "Calls"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == name
    page.keyboard.press("Enter")
    page.locator("form.search").wait_for()
    assert page.evaluate("document.activeElement.tagName") == "H1"
