"""One server and one browser for all tests of the page in a browser."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.end_to_end.clips import speech, write_wav
from tests.page.browser.stage import EXPECT_MS, PageStage, Visitor, launched, staged
from tests.page.browser.watching import Watched, watch

NewVisitor = Callable[..., Visitor]

expect.set_options(timeout=EXPECT_MS)


_in_use = ExitStack()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """Stop the server and the browser after the last of these tests.

    Playwright's event loop is the running one of this thread until then, and other tests have loops of their own.
    """
    try:
        yield
    finally:
        if nextitem is None or not nextitem.nodeid.startswith("tests/page/browser/"):
            _in_use.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="session")
def stage(folder: Path) -> PageStage:
    return _in_use.enter_context(staged(folder))


@pytest.fixture(scope="session")
def browser(folder: Path) -> Browser:
    heard = write_wav(folder / "microphone.wav", speech(5, 6.0, (0.4, 2.8), (3.4, 4.8)))
    made = launched(_in_use.enter_context(sync_playwright()), heard)
    _in_use.callback(made.close)
    return made


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


@pytest.fixture(scope="session")
def watched(stage: PageStage, browser: Browser) -> Watched:
    """Two calls that were watched live; other tests find them in the journal."""
    window = Visitor(stage, browser)
    try:
        found = watch(stage, window)
    finally:
        window.close()
    assert window.problems == []
    return found
