"""The command's entry point: its groups, ``--version``, and how errors end it."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from jssr import __version__
from jssr.cli import batch, evaluate, phantom, register, training
from jssr.cli.console import tell_error
from jssr.errors import JSSRError
from jssr.memory import gpu_is_full, is_out_of_memory, return_large_blocks, use_large_pages

_BAD_INPUT = 2
_INTERRUPTED = 130


class _Commands(TyperGroup):
    """Turns errors that JSSR raises on purpose into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except JSSRError as error:
            tell_error(str(error))
            raise typer.Exit(_BAD_INPUT) from error
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            full = "GPU's" if gpu_is_full(error) else "computer's"
            tell_error(f"The {full} memory does not suffice; close other programs.")
            raise typer.Exit(_BAD_INPUT) from error
        except KeyboardInterrupt as error:
            tell_error("Interrupted.")
            raise typer.Exit(_INTERRUPTED) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Registers the contrast phases of one patient's liver CT by joint synthesis, "
    "segmentation and registration. For research; not a medical device.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"jssr {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Holds the options that stand before a command."""


for _group in (register, batch, evaluate, phantom, training):
    _group.attach(app)


def main() -> None:
    """Runs the command with the process's arguments."""
    use_large_pages()
    return_large_blocks()
    app(prog_name="jssr")
