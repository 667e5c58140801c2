"""What the commands show: progress, errors, tables and the verdict."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from jssr.registration.result import ProgressCallback, Verdict
    from jssr.section import Section

_NUMERIC = frozenset("0123456789-–.+")
_SHOWN_REASONS = 3


def tell_error(message: str) -> None:
    """One line on standard error."""
    typer.echo(f"jssr: {message}", err=True)


@contextmanager
def progress_bar() -> "Iterator[ProgressCallback]":
    """A bar with the step's name on standard error; gives the callback that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("Start", total=1.0)
        yield lambda step, fraction: bar.update(task, description=step, completed=fraction)


def show_section(section: "Section") -> None:
    """A plain table on standard output: the first column to the left, numbers to the right.

    The section's note stands below it.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, title=section.title, title_justify="left", pad_edge=False)
    for number, column in enumerate(section.columns):
        to_the_right = number > 0 and all(row[number][:1] in _NUMERIC for row in section.rows)
        table.add_column(column, justify="right" if to_the_right else "left")
    for row in section.rows:
        table.add_row(*row)
    console = Console(highlight=False, markup=False)
    console.print(table)
    if section.note:
        console.print(f"{section.note}\n")


def verdict_line(verdict: "Verdict", title: str = "Verdict") -> str:
    """The verdict in one line after ``title``, with its first reasons."""
    reasons = list(verdict.reasons[:_SHOWN_REASONS])
    if len(verdict.reasons) > len(reasons):
        reasons.append(f"and {len(verdict.reasons) - len(reasons)} more")
    return f"{title}: {verdict.level.value}" + (f" ({'; '.join(reasons)})" if reasons else "")
