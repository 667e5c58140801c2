"""Contrast phases as options of the commands: any word for one is understood."""

import typer

from jssr.errors import InputError
from jssr.labels import Phase
from jssr.phase_name import AUTO, read_phase, read_phase_or_auto

PHASE_NAMES = ", ".join(phase.value for phase in Phase)
PHASE_OR_AUTO_NAMES = f"{AUTO}, {PHASE_NAMES}"


def phase(text: str) -> Phase:
    """The phase that an option names.

    Raises:
        typer.BadParameter: it names none, or several.
    """
    try:
        return read_phase(text)
    except InputError as error:
        raise typer.BadParameter(f"{error}.") from None


def phase_or_auto(text: str) -> Phase | None:
    """The same, ``None`` for ``auto``.

    Raises:
        typer.BadParameter: as :func:`phase`.
    """
    try:
        return read_phase_or_auto(text)
    except InputError as error:
        raise typer.BadParameter(f"{error}.") from None
