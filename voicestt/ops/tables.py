"""Tables of plain text, which stay readable in a log and in a terminal without colours."""

from collections.abc import Collection, Sequence

from tabulate import tabulate


def table(head: Sequence[str], rows: Collection[Sequence[str]], *, right: bool = False) -> list[str]:
    """Format rows as lines of columns, each as wide as its widest cell; `right` sets all cells to the right."""
    # The head is a row: the library sets heads of its own two blanks apart from their columns.
    text = tabulate(
        [head, *rows],
        tablefmt="plain",
        disable_numparse=True,
        preserve_whitespace=True,
        stralign="right" if right else "left",
    )
    return [line.rstrip() for line in text.splitlines()]
