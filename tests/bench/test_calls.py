import pytest

from tests.bench import calls


@pytest.mark.parametrize("database", calls.DATABASES)
def test_a_small_journal_gives_every_figure(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    calls.main(["--databases", database, "--events", "1200"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{database}: 40 calls, 1,200 events")
    assert [line.split("  ")[0] for line in lines[2:]] == list(calls.questions(40))
