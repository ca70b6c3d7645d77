from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ops.journal.made import Desk
from tests.postgres import cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A writer of the journal that JOURNAL_URL names."""
    url = f"sqlite:///{tmp_path}/journal.db" if request.param == "sqlite" else cluster().new_database()
    monkeypatch.setenv("JOURNAL_URL", url)
    monkeypatch.delenv("VOICESTT_ENV_FILE", raising=False)
    made = Desk(url)
    yield made
    made.database.close()
