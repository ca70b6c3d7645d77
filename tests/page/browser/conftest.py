"""One server and one browser for all tests of the page in a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.end_to_end.clips import speech, write_wav
from tests.page.browser.stage import EXPECT_MS, PageStage, Visitor, launched, staged
from tests.page.browser.watching import Watched, watch

NewVisitor = Callable[..., Visitor]

expect.set_options(timeout=EXPECT_MS)


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="package")
def stage(folder: Path) -> Iterator[PageStage]:
    with staged(folder) as made:
        yield made


@pytest.fixture(scope="package")
def browser(folder: Path) -> Iterator[Browser]:
    heard = write_wav(folder / "microphone.wav", speech(5, 6.0, (0.4, 2.8), (3.4, 4.8)))
    with sync_playwright() as playwright:
        made = launched(playwright, heard)
        yield made
        made.close()


@pytest.fixture
def visitor(stage: PageStage, browser: Browser) -> Iterator[NewVisitor]:
    """Windows of the browser; at the end none may have met an error, or what its policy forbids."""
    opened: list[Visitor] = []

    def new(**looks: Any) -> Visitor:
        opened.append(Visitor(stage, browser, **looks))
        return opened[-1]

    yield new
    for each in opened:
        each.close()
    assert [problem for each in opened for problem in each.problems] == []


@pytest.fixture(scope="package")
def watched(stage: PageStage, browser: Browser) -> Watched:
    """Two calls that were watched live; other tests find them in the journal."""
    window = Visitor(stage, browser)
    try:
        found = watch(stage, window)
    finally:
        window.close()
    assert window.problems == []
    return found
