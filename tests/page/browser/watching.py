"""A watched call: the live view is open while callers speak, and everything that it shows is written down."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Page

from tests.page.browser.stage import CALLER, WORRIER, PageStage, Visitor

_WATCH = """
() => {
  window.seen = [];
  const last = new Map();
  const look = () => {
    for (const card of document.querySelectorAll(".card")) {
      for (const [place, item] of card.querySelectorAll("li.partial, li.final").entries()) {
        const key = card.dataset.call + place;
        const what = item.className + item.textContent;
        if (last.get(key) === what) continue;
        last.set(key, what);
        const { color, direction } = getComputedStyle(item);
        const { className: kind, textContent: text } = item;
        window.seen.push({ call: card.dataset.call, place, kind, text, color, direction });
      }
    }
  };
  const all = { subtree: true, childList: true, characterData: true, attributes: true };
  new MutationObserver(look).observe(document.querySelector(".cards"), all);
}
"""


@dataclass(frozen=True)
class Watched:
    """The sight of two calls: one that went well, and one whose stream failed."""

    caller: str
    worrier: str
    seen: list[dict[str, Any]]
    marks: dict[str, list[str]]
    was_speaking: bool

    @property
    def found(self) -> str:
        """The path by which the journal gives the call that went well, by what was said in it."""
        return f"calls?query={quote(f'שלום {CALLER},')}"

    def captions(self, call: str, place: int) -> list[dict[str, Any]]:
        """All that stood in one place of a card, from its first partial to its final."""
        return [each for each in self.seen if each["call"] == call and each["place"] == place]


def watch(stage: PageStage, visitor: Visitor) -> Watched:
    """Open the live view, let two callers and some others call, and wait until all have ended."""
    page = visitor.log_in()
    page.locator(".connection[data-state=open]").wait_for()
    page.evaluate(_WATCH)
    stage.fail_next_stream()
    stage.call(WORRIER, 16.0)  # not waited for: it ends while others look
    page.locator(".chip[data-mode=degraded]").wait_for()
    with stage.crowd(4, 30.0):
        speaking = stage.call(CALLER, 8.0, "--dtmf", "1.0:5")
        page.locator("li.partial", has_text=f"שלום {CALLER}").first.wait_for()
        was_speaking = speaking.poll() is None
        page.locator("li.final", has_text=f"שלום {CALLER}").first.wait_for()
        caller, worrier = (_card(page, number) for number in (CALLER, WORRIER))
        visitor.picture("live")
        page.locator(f'.card[data-call="{caller}"] [data-kind=seam]').first.wait_for()
        marks = {call: _marks(page, call) for call in (caller, worrier)}
        assert speaking.wait(40) == 0
    page.locator(f'.card[data-call="{caller}"].over, .cards:not(:has([data-call="{caller}"]))').first.wait_for()
    return Watched(caller, worrier, page.evaluate("window.seen"), marks, was_speaking)


def _card(page: Page, number: int) -> str:
    card = page.locator(".card", has=page.locator("li", has_text=f"שלום {number}")).first
    return str(card.get_attribute("data-call"))


def _marks(page: Page, call: str) -> list[str]:
    marks = page.locator(f'.card[data-call="{call}"] .mark')
    return [str(kind) for kind in marks.evaluate_all("marks => marks.map((mark) => mark.dataset.kind)")]
