"""Live: what callers say is on the page while they say it; the first tests, whose calls the others look at."""

from tests.end_to_end.rig import until
from tests.page.browser.conftest import NewVisitor
from tests.page.browser.stage import CALLER, HEBREW, WORRIER, PageStage
from tests.page.browser.watching import Watched

_FRAMES = """
(ms) => new Promise((resolve) => {
  const gaps = [];
  let last = performance.now();
  const end = last + ms;
  const step = (now) => {
    gaps.push(now - last);
    last = now;
    if (now < end) requestAnimationFrame(step);
    else resolve(gaps.slice(1));
  };
  requestAnimationFrame(step);
})
"""
_HIDE = """
(hidden) => {
  Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


def test_hebrew_is_read_from_the_page_while_it_is_spoken_partial_before_final(watched: Watched) -> None:
    said = watched.captions(watched.caller, 0)
    partials = [each["text"] for each in said if each["kind"] == "partial"]
    assert watched.was_speaking
    assert len(partials) >= 2
    assert said[0]["kind"] == "partial"
    assert [each["text"] for each in said if each["kind"] == "final"] == [HEBREW.format(key=CALLER)]
    assert said[-1]["kind"] == "final"
    assert {each["direction"] for each in said} == {"rtl"}


def test_a_partial_is_grey_and_a_final_is_black(watched: Watched) -> None:
    colours = {
        kind: {each["color"] for each in watched.seen if each["kind"] == kind} for kind in ("partial", "final")
    }
    assert colours == {"partial": {"rgb(102, 109, 117)"}, "final": {"rgb(22, 25, 29)"}}


def test_a_seam_a_key_and_what_we_said_are_marks(watched: Watched) -> None:
    assert {"key", "seam", "said"} <= set(watched.marks[watched.caller])
    assert "degraded" not in watched.marks[watched.caller]


def test_a_call_whose_stream_failed_is_seen_as_degraded_and_its_words_still_come(watched: Watched) -> None:
    assert "degraded" in watched.marks[watched.worrier]
    finals = [each["text"] for each in watched.seen if each["call"] == watched.worrier and each["kind"] == "final"]
    assert any(f"שלום {WORRIER}" in text for text in finals)


def test_a_hidden_tab_asks_for_nothing(stage: PageStage, watched: Watched, visitor: NewVisitor) -> None:
    page = visitor().log_in()
    page.locator(".connection[data-state=open]").wait_for()
    asked: list[str] = []
    with page.expect_event("requestfailed", lambda request: "/page/api/events" in request.url):
        page.evaluate(_HIDE, True)
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(5_500)
    assert asked == []
    with page.expect_request(lambda request: "/page/api/events" in request.url):
        page.evaluate(_HIDE, False)
    page.locator(".connection[data-state=open]").wait_for()


def test_two_hundred_live_calls_are_smooth(stage: PageStage, visitor: NewVisitor) -> None:
    page = visitor().log_in()
    with stage.crowd(200, 12.0):
        until(lambda: int(page.locator(".count").get_attribute("data-count") or 0) >= 200, "all are seen")
        assert page.locator(".card").count() >= 200
        before = page.locator(".cards").inner_text()
        # The machine may be busy with others for a while; the page's own doing would be seen in every window.
        for _window in range(4):
            gaps = page.evaluate(_FRAMES, 2_000)
            print(f"{len(gaps)} frames, the longest {max(gaps):.0f} ms")
            if max(gaps) < 100:
                break
        assert max(gaps) < 100
        assert page.locator(".cards").inner_text() != before
    until(lambda: stage.server.health()["live_calls"] == 0, "all calls are over")


def test_a_page_that_stays_open_while_the_server_restarts_goes_on_without_a_hole(
    stage: PageStage, visitor: NewVisitor
) -> None:
    page = visitor().log_in()
    with stage.crowd(2, 40.0):
        page.locator(".card li.final").nth(1).wait_for()
        stage.server.kill()
        page.locator(".connection[data-state=lost]").wait_for()
    page.route("**/page/api/events*", lambda route: route.abort())
    stage.start_again()
    with stage.crowd(1, 40.0, first=3_000):
        until(lambda: "שלום 3000" in stage.server.output, "a word is said that the page cannot hear")
        page.unroute("**/page/api/events*")
        page.locator(".connection[data-state=resumed]").wait_for()
        page.locator(".card li", has_text="שלום 3000").first.wait_for()
    until(lambda: stage.server.health()["live_calls"] == 0, "all calls are over")
