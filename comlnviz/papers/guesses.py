"""Protocols that a paper's text leaves open, tried one by one with each of its models."""

from collections.abc import Callable, Iterable

from .experiment import Cell
from .findings import Cells, Finding, is_so


def cell_of(model: str, guess: str) -> str:
    """The name of a cell; in a table its part after the comma is the column."""
    return f"{model}, {guess.replace(', ', ' · ')}"


def all_cells(
    models: Iterable[str], guesses: Iterable[str], cell: Callable[[str, str], Cell]
) -> dict[str, Cell]:
    """Every model under every guess."""
    models = tuple(models)
    return {cell_of(model, guess): cell(model, guess) for guess in guesses for model in models}


def appears_under(
    guesses: Iterable[str],
    models: Iterable[str],
    cells: Cells,
    appears: Callable[[list[float | None]], bool],
) -> tuple[Finding, ...]:
    """Under which of the guesses that are complete the published pattern appears.

    `appears` is asked with the models' means, `None` where a model diverged.
    """
    models, found = tuple(models), []
    for guess in guesses:
        row = [cells.get(cell_of(model, guess), {}) for model in models]
        if not all(row):
            continue
        means = [cell.get("mean") for cell in row]
        said = ", ".join(
            f"{model} {'diverged' if mean is None else f'{mean:.1f}'}"
            for model, mean in zip(models, means, strict=True)
        )
        found.append(is_so(f"The published pattern appears: {guess}.", appears(means), said))
    return tuple(found)
