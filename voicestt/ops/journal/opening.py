"""Opens the journal that the server's environment names, for a command beside the server."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import click
from sqlalchemy.exc import DatabaseError

from voicestt.config.env_file import EnvironmentFile
from voicestt.config.settings import BadSettings, variables
from voicestt.journal.database import Database
from voicestt.journal.problems import BadJournal, words_of
from voicestt.journal.schema import check

_NAME = "JOURNAL_URL"


@contextmanager
def journal() -> Iterator[Database]:
    """Open and check the journal of this environment and of VOICESTT_ENV_FILE.

    Raises:
        click.ClickException: in words, where there is none or it cannot be read.
    """
    try:
        with closing(_database(journal_url(os.environ))) as database:
            with database.reading() as connection:
                check(database, connection)
            yield database
    except (BadSettings, BadJournal) as bad:
        raise click.ClickException(str(bad)) from None
    except DatabaseError as problem:
        raise click.ClickException(
            f"The journal cannot be read ({words_of(problem)}). Does its database run, and may this user read it?"
        ) from None


def journal_url(environ: Mapping[str, str]) -> str:
    """Read JOURNAL_URL as the server does.

    Raises:
        BadSettings: where it cannot be used, or the file of VOICESTT_ENV_FILE cannot.
        BadJournal: where it is off.
    """
    url = str(setting(environ, _NAME))
    if url == "off":
        raise BadJournal(f"{_NAME}=off: the server keeps no journal, and there is nothing to show.")
    return url


def setting(environ: Mapping[str, str], name: str) -> Any:
    """Read the variable `name`, which has a default, as the server does.

    Raises:
        BadSettings: where it cannot be used, or the file of VOICESTT_ENV_FILE cannot.
    """
    values = EnvironmentFile(environ.get("VOICESTT_ENV_FILE"), environ, {}).variables()
    (variable,) = (each for each in variables() if each.name == name)
    text = values.get(name, "").strip() or variable.default or ""
    try:
        return variable.read(text)
    except ValueError as problem:
        raise BadSettings([f"{name} {problem}"]) from None


def _database(url: str) -> Database:
    database = Database(url)
    if not database.is_there():
        raise BadJournal(
            f"There is no journal {database.name}. Is {_NAME} the server's, and this the folder that the server "
            "was started in? VOICESTT_ENV_FILE names the file that the server reads its variables from."
        )
    return database
