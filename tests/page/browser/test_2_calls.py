"""Calls and a call: yesterday's is found by a word, read, played, downloaded and erased."""

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.end_to_end.rig import until
from tests.page.browser.answering import ANSWER
from tests.page.browser.conftest import NewVisitor
from tests.page.browser.stage import CALLER, HEBREW, WORRIED, WORRIER, PageStage
from tests.page.browser.watching import Watched
from voicestt.journal.summaries import number_of

_WATCH_THE_LIT = """
() => {
  window.lit = [];
  new MutationObserver((changes) => {
    const callers = changes.map(({ target }) => target).filter((word) => word.matches(".caller .lit"));
    window.lit.push(...callers.map((word) => word.textContent));
  }).observe(document.querySelector(".conversation"), { subtree: true, attributeFilter: ["class"] });
}
"""
_DAY = 86_400
WORRIER_SAYS = f"שלום {WORRIER},"


@pytest.fixture(scope="module")
def yesterdays(stage: PageStage, watched: Watched) -> str:
    """The session of the watched call, which was a day ago for all the journal knows."""
    with closing(sqlite3.connect(stage.server.services.journal_file, timeout=30)) as journal, journal:
        asked = "SELECT session FROM voicestt_sessions WHERE call_sid = ? AND ended_at IS NOT NULL"
        (session,) = until(lambda: journal.execute(asked, (watched.caller,)).fetchone(), "the call has ended")
        texts = "SELECT number, text FROM voicestt_texts WHERE session = ?"
        found = until(lambda: journal.execute(texts, (session,)).fetchall(), "its texts can be searched")
        journal.execute("DELETE FROM voicestt_texts WHERE session = ?", (session,))  # their numbers are times, too
        moved = [(number - (number_of(_DAY) - number_of(0)), session, text) for number, text in found]
        journal.executemany("INSERT INTO voicestt_texts (number, session, text) VALUES (?, ?, ?)", moved)
        for column in ("started_at", "ended_at"):
            journal.execute(
                f"UPDATE voicestt_sessions SET {column} = {column} - ? WHERE session = ?", (_DAY, session)
            )
        events = journal.execute(
            "SELECT number, payload FROM voicestt_events WHERE session = ?", (session,)
        ).fetchall()
        earlier = [(_earlier(payload), number) for number, payload in events]
        journal.executemany("UPDATE voicestt_events SET payload = ? WHERE number = ?", earlier)
    return str(session)


def _earlier(payload: str) -> str:
    event = json.loads(payload)
    event["timestamp"] = (datetime.fromisoformat(event["timestamp"]) - timedelta(days=1)).isoformat()
    return json.dumps(event, ensure_ascii=False)


def found_by(page: Page, word: str) -> list[str]:
    """The CallSids that the journal gives for a word."""
    page.locator("input[name=query]").fill(word)
    with page.expect_response(lambda answer: "/page/api/calls?query=" in answer.url) as told:
        page.locator("form.search button").click()
    calls: list[str] = [call["call_sid"] for call in told.value.json()["calls"]]
    rows = page.locator("table.calls tbody tr")
    until(lambda: rows.evaluate_all("rows => rows.map((row) => row.dataset.call)") == calls, "they are shown")
    return calls


def opened(visitor: NewVisitor, session: str) -> Page:
    """A window with this call."""
    page = visitor().log_in(view=f"call/{session}")
    page.locator(".conversation .said").first.wait_for()
    return page


def test_a_call_of_yesterday_is_found_by_a_part_of_a_word(
    yesterdays: str, watched: Watched, visitor: NewVisitor
) -> None:
    window = visitor()
    page = window.log_in(view="calls")
    day = page.evaluate("() => new Date(Date.now() - 86400000).toLocaleDateString('sv')")
    page.locator("input[name=since]").fill(day)
    page.locator("input[name=until]").fill(day)
    assert found_by(page, "זמנה 4417") == [watched.caller]
    assert page.locator("mark").first.inner_text() == "זמנה 4417"
    window.picture("calls-found")
    page.locator("table.calls tbody a").first.click()
    page.wait_for_url(f"**/#/call/{yesterdays}")
    expect(page.locator(".conversation")).to_contain_text(HEBREW.format(key=CALLER))


def test_only_the_degraded_calls_are_shown_when_asked_for(
    stage: PageStage, watched: Watched, visitor: NewVisitor
) -> None:
    page = visitor().log_in(view="calls")
    listed = f"{stage.url}page/api/calls?query={quote(WORRIER_SAYS)}"
    until(lambda: page.context.request.get(listed).json()["calls"], "the degraded call is over, and listed")
    page.locator("input[name=degraded]").check()
    assert found_by(page, WORRIER_SAYS) == [watched.worrier]
    assert watched.caller not in found_by(page, f"שלום {CALLER},")


def test_a_call_shows_both_sides_its_incidents_and_its_account(yesterdays: str, visitor: NewVisitor) -> None:
    page = opened(visitor, yesterdays)
    expect(page.locator("[data-who=us]").first).to_contain_text("(Sound, ")  # the greeting
    expect(page.locator("[data-who=us]", has_text=ANSWER)).to_be_visible()
    expect(page.locator("[data-who=caller]", has_text=WORRIED)).to_be_visible()
    expect(page.locator(".conversation .keys")).to_contain_text("5")
    expect(page.locator(".incidents [data-kind=seam]").first).to_be_visible()
    expect(page.locator("svg .bar-caller").first).to_be_attached()
    expect(page.locator(".plot canvas").first).to_be_visible()
    expect(page.get_by_role("rowheader", name="Received")).to_be_visible()


def test_the_recording_plays_the_spoken_word_is_lit_and_a_click_on_a_word_goes_there(
    yesterdays: str, visitor: NewVisitor
) -> None:
    window = visitor()
    page = window.log_in(view=f"call/{yesterdays}")
    word = page.locator("[data-who=caller] .word", has_text="מתקשר").first
    start = float(word.get_attribute("data-start") or "nan") / 1000
    page.evaluate(_WATCH_THE_LIT)
    word.click()
    until(lambda: len(page.evaluate("window.lit")) > 3, "four words are lit, one after the other")
    window.picture("call-played")
    assert page.locator("audio").evaluate("audio => audio.currentTime") >= start
    assert page.evaluate("window.lit")[:4] == ["מתקשר", "לגבי", "הזמנה", "4417"]
    page.locator("audio").evaluate("audio => audio.pause()")


def test_the_transcript_is_downloaded_in_four_forms(yesterdays: str, visitor: NewVisitor) -> None:
    page = opened(visitor, yesterdays)
    assert page.locator(".actions a[download]").all_inner_texts() == ["TXT", "SRT", "VTT", "JSON", "WAV"]
    for form in ("TXT", "SRT", "VTT", "JSON"):
        address = page.locator(".actions a", has_text=form).evaluate("link => link.href")
        assert WORRIED in page.context.request.get(address).text()


def test_a_call_is_erased_when_the_question_is_answered_so_and_not_before(
    watched: Watched, visitor: NewVisitor
) -> None:
    page = visitor().log_in(view="calls")
    assert found_by(page, WORRIER_SAYS) == [watched.worrier]
    page.locator("table.calls tbody a").click()
    page.get_by_role("button", name="Erase…").click()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    page.get_by_role("button", name="Erase…").click()
    page.get_by_role("dialog").get_by_role("button", name="Erase").click()
    expect(page.get_by_role("status")).to_contain_text("has been erased")
    page.get_by_role("link", name="All calls").click()
    page.locator("table.calls tbody tr").first.wait_for()
    assert found_by(page, WORRIER_SAYS) == []
