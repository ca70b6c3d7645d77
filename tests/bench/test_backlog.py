import pytest

from tests.bench import backlog


@pytest.mark.parametrize("database", backlog.DATABASES)
def test_a_small_backlog_gives_every_figure(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    amounts = ["--events", "600", "--calls", "60", "--live", "2", "--seconds", "5", "--answer", "0.01"]
    backlog.main(["--databases", database, *amounts])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1].split("  ")[0].strip() for line in lines] == [
        "start to listening",
        "live put to webhook",
        "drained",
        "put to written when a neighbour ends",
    ]
    assert not any("inf" in line or "nan" in line for line in lines)  # everything arrived, and was measured
