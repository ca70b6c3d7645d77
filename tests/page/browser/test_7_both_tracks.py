"""A call of two sides: who says what is on the page while they say it, in two languages, and afterwards."""

import re

from playwright.sync_api import Page, expect

from tests.page.browser.conftest import NewVisitor
from tests.page.browser.stage import HEBREW, PageStage

CALLER, CALLEE = 21, 121
_SIDES = {"en": ("Caller", "Callee"), "he": ("המתקשר", "הצד השני")}


def line(page: Page, kind: str, number: int) -> str:
    """Return the name that the page gives to a speaker, when their line is there."""
    found = page.locator(f"li.{kind}", has_text=f"שלום {number}").first
    found.locator(".chip").wait_for()
    return found.locator(".chip").inner_text()


def test_the_line_of_the_callee_is_read_from_the_page_while_it_is_spoken_and_kept(
    stage: PageStage, visitor: NewVisitor
) -> None:
    english, hebrew = visitor(), visitor(locale="he-IL")
    pages = {"en": english.log_in(), "he": hebrew.log_in()}
    for page in pages.values():
        page.locator(".connection[data-state=open]").wait_for()
    speaking = stage.call_of_two(CALLER, CALLEE, 7.0)
    seen = {name: line(page, "partial", CALLEE) for name, page in pages.items()}
    assert speaking.poll() is None
    assert seen == {name: callee for name, (_, callee) in _SIDES.items()}
    for name, page in pages.items():
        assert (line(page, "final", CALLER), line(page, "final", CALLEE)) == _SIDES[name]
    english.picture("live-both-tracks")
    page = pages["en"]
    card = page.locator(".card", has=page.locator("li", has_text=f"שלום {CALLEE}")).first
    session = card.get_attribute("data-session")
    assert speaking.wait(40) == 0
    for name, window in (("en", english), ("he", hebrew)):
        page = window.show(f"call/{session}")
        said = page.locator("[data-who=callee]", has_text=HEBREW.format(key=CALLEE)).first
        expect(said).to_contain_text(_SIDES[name][1])
        expect(page.locator("[data-who=caller]", has_text=HEBREW.format(key=CALLER)).first).to_be_visible()
        expect(page.locator("[data-who=us]")).to_have_count(0)  # the handler's answer went nowhere
        expect(page.locator(".bar-callee").first).to_be_attached()
        expect(page.locator(".account thead")).to_contain_text(_SIDES[name][1])
        for who in ("caller", "callee"):
            expect(page.locator(f".account td[data-who={who}]").first).to_have_text(re.compile(r"\d\d,\d{3}"))
        window.picture(f"call-both-tracks-{name}")
