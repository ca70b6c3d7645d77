"""Code that was rolled back after a migration: the phone is answered, and no word that the log showed is lost."""

import re
import sqlite3
import stat
from pathlib import Path

from tests.end_to_end.chatter import SAID, chatting
from tests.end_to_end.rig import (
    Server,
    google_process,
    running_again,
    running_server,
    until,
)
from voicestt.journal.database import Database
from voicestt.journal.schema import bring_up_to_date
from voicestt.journal.tables import VERSION_TABLE

CALLS = 5
FINALS = 30
_SHOWN = re.compile(r"^\d{4}-\S+ \[(CA\w+)#warn\] ⚪ Final, not in the journal yet: (.*)\n", re.MULTILINE)


def set_version(file: Path, version: str) -> str:
    """The journal's tables are of this version; the one before."""
    connection = sqlite3.connect(file)
    try:
        (before,) = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = ?", [version])
        connection.commit()
    finally:
        connection.close()
    return str(before)


def shown(server: Server) -> list[tuple[str, str]]:
    """CallSid and text of the finals that the log shows; a line that a kill has cut is none."""
    return _SHOWN.findall(server.log.read_bytes().decode("utf-8", "replace"))


def test_a_server_killed_before_a_newer_journal_has_lost_nothing_that_it_showed(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    database = Database(f"sqlite:///{file}")
    bring_up_to_date(database)
    database.close()
    ours = set_version(file, "9999")
    settings = {"JOURNAL_URL": f"sqlite:///{file}", "GREETING": "off"}
    with (
        google_process(tmp_path, SAID) as services,
        running_server(tmp_path, services.google_port, **settings) as server,
    ):
        with chatting(server, range(CALLS)):
            until(lambda: len(shown(server)) >= FINALS, f"{FINALS} finals")
            assert server.health()["journal"]["in_file"] >= FINALS
            server.kill()
        assert server.saying("written by a newer version of voicestt")
        (spill,) = tmp_path.glob("journal.db.spill-*.jsonl")
        assert stat.S_IMODE(spill.stat().st_mode) == 0o600
        set_version(file, ours)
        with running_again(server) as again:
            again.wait_for("events that waited in")
            again.wait_for(f"{CALLS} of them had not ended")
            until(lambda: sum(event["type"] == "call_ended" for event in again.journal()) == CALLS, "closed")
            finals = {(event["call_sid"], event["text"]) for event in again.journal() if event["type"] == "final"}
        assert not spill.exists()
    assert set(shown(server)) <= finals
    assert len({call for call, _ in finals}) == CALLS
