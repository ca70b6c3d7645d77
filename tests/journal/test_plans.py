"""PostgreSQL's plans for what is asked all the time, where its statistics know nothing of it yet."""

import json

from sqlalchemy import text

from tests.bench.backlog_filling import fill
from tests.postgres import cluster
from voicestt.journal.database import Database
from voicestt.journal.outbox import statement_of


def test_what_a_new_owner_has_is_found_by_session_and_not_by_all_sessions_of_it() -> None:
    url = cluster().new_database()
    fill(url, 2_000, 6_000)  # and the statistics know the owner that is gone
    database = Database(url)
    with database.writing() as connection:
        connection.execute(text("UPDATE voicestt_sessions SET owner = 'new'"))
        some = connection.execute(text("SELECT session FROM voicestt_sessions LIMIT 64")).scalars()
        values = {"sessions": json.dumps(list(some)), "owner": "new", "destination": "webhook", "most": 4}
        asked = statement_of("postgresql", is_settled=False).text
        plan = "\n".join(connection.execute(text(f"EXPLAIN {asked}"), values).scalars())
    database.close()
    assert "voicestt_sessions_pkey" in plan, plan
    assert "voicestt_sessions_owner" not in plan, plan
    assert "voicestt_outbox_of_session" in plan, plan
