"""The papers' tables and figures: what was published, and the experiments that reproduce it."""

from collections.abc import Mapping
from pathlib import Path

from . import (
    comln_figure_5,
    comln_figure_d,
    comln_table_2,
    comln_table_4,
    comln_table_5,
    metaopt_synthetic,
    metaopt_table_1,
)
from .experiment import Experiment, Preset, run
from .findings import Finding
from .published import published
from .results import Result, read, results_folder

EXPERIMENTS: Mapping[str, Experiment] = {
    module.EXPERIMENT.identifier: module.EXPERIMENT
    for module in (
        comln_table_2,
        comln_table_4,
        comln_table_5,
        comln_figure_5,
        comln_figure_d,
        metaopt_synthetic,
        metaopt_table_1,
    )
}


def result(identifier: str, preset: str = "classroom", folder: Path | None = None) -> Result:
    """A stored result, of the package's own unless `folder` says otherwise.

    **Raises** `ValueError` for an identifier there is not, `FileNotFoundError` when nothing of it
    is stored.
    """
    if identifier not in EXPERIMENTS:
        raise ValueError(f"There is no {identifier!r}: choose from {', '.join(EXPERIMENTS)}.")
    return read(EXPERIMENTS[identifier], preset, folder)


__all__ = [
    "EXPERIMENTS",
    "Experiment",
    "Finding",
    "Preset",
    "Result",
    "published",
    "result",
    "results_folder",
    "run",
]
