from pathlib import Path

import pytest
import txaio
from twisted.internet.task import Clock

from tests.page.in_memory import PageServer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Shipped files."""
    made = tmp_path / "static"
    (made / "vendor").mkdir(parents=True)
    (made / "index.html").write_text("<!doctype html><title>voicestt</title>", "utf-8")
    (made / "app.js").write_text("export const words = 'שלום';\n" * 50, "utf-8")
    (made / "vendor" / "mark.svg").write_text("<svg/>")
    return made


@pytest.fixture
def server(clock: Clock, folder: Path, monkeypatch: pytest.MonkeyPatch) -> PageServer:
    monkeypatch.setattr(txaio.config, "loop", clock)  # type: ignore[attr-defined]
    return PageServer(clock, folder)
