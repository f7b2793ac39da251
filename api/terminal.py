"""What every command shares: where it prints, how it opens the database, and which exit code an error has."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.wiring import UNUSABLE, Damaged, PersistenceError, Settings, Tarikh, Unreachable, settle
from domain.errors import BadQuestion, Conflict, Invalid, NotFound, Refused, TarikhError, WrongVersion

out = Console(markup=False, emoji=False)  # what is printed is data: agreement:b: is no emoji, [sic] no markup
err = Console(stderr=True, markup=False, emoji=False)
EXIT: dict[type[TarikhError], int] = {BadQuestion: 2, Invalid: 2, NotFound: 3, Refused: 4, Conflict: 4, WrongVersion: 4, Damaged: 5, Unreachable: 5}


@contextmanager
def opened(fresh: bool = False, facts: bool = True) -> Iterator[Tarikh]:
    """The application on the configured database; errors become a line and an exit code. `facts`: they must be as this code writes them."""
    core: Tarikh | None = None
    settle()
    try:
        core = Tarikh(Settings())
        if not fresh and (problem := core.ready(facts)):
            raise PersistenceError(problem)
        yield core
    except TarikhError as error:
        err.print(f"tarikh: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(EXIT.get(type(error), 1)) from None
    except UNUSABLE as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        err.print(f"tarikh: {said}", style="red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    finally:
        if core is not None:
            core.close()


def progress_bar() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=err, transient=True)


def print_json(body: bytes) -> None:
    sys.stdout.write(json.dumps(json.loads(body), ensure_ascii=False, indent=2) + "\n")


def tell_faults(faults: Sequence[str]) -> None:
    """A line for each, and exit code 1 where there is any."""
    for fault in faults:
        err.print(f"tarikh: {fault}", style="red", highlight=False, markup=False, soft_wrap=True)
    if faults:
        raise typer.Exit(1)
