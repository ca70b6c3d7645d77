from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred

from tests.journal.made import Journals
from tests.postgres import empty_database


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    return empty_database(request.param, tmp_path)


@pytest.fixture
def journals(url: str) -> Iterator[Journals]:
    made = Journals(url)
    yield made
    pytest_twisted.blockon(Deferred.fromCoroutine(made.close()))
