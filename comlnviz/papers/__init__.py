"""The papers' tables and figures: what was published, and the experiments that reproduce it."""

from collections.abc import Mapping
from pathlib import Path

from . import (
    amaml_figure_2,
    amaml_table_3,
    amaml_table_4,
    amaml_table_5,
    amaml_tables_1_2,
    comln_figure_5,
    comln_figure_d,
    comln_table_2,
    comln_table_4,
    comln_table_5,
    gimli_figure_1,
    gimli_figure_2,
    gimli_figure_3,
    gimli_table_1,
    gimli_table_2,
    metaopt_figure_2,
    metaopt_figure_a1,
    metaopt_figure_a2,
    metaopt_omniglot,
    metaopt_synthetic,
    metaopt_table_1,
    metaopt_table_2,
    metaopt_table_a1,
    metaopt_table_a2,
    metaopt_table_a3,
)
from .experiment import Experiment, Preset
from .findings import Finding
from .pool import pool_of
from .published import published
from .results import Result, read, results_folder
from .sweep import Failure, Watch, run, sweep
from .table import Table

EXPERIMENTS: Mapping[str, Experiment] = {
    experiment.identifier: experiment
    for experiment in (
        comln_table_2.EXPERIMENT,
        comln_table_4.EXPERIMENT,
        comln_table_5.EXPERIMENT,
        comln_figure_5.EXPERIMENT,
        comln_figure_d.EXPERIMENT,
        amaml_figure_2.EXPERIMENT,
        amaml_tables_1_2.TABLE_1,
        amaml_tables_1_2.TABLE_2,
        amaml_table_3.EXPERIMENT,
        amaml_table_4.EXPERIMENT,
        amaml_table_5.EXPERIMENT,
        gimli_table_1.EXPERIMENT,
        gimli_table_2.EXPERIMENT,
        gimli_figure_1.EXPERIMENT,
        gimli_figure_2.EXPERIMENT,
        gimli_figure_3.EXPERIMENT,
        metaopt_synthetic.EXPERIMENT,
        metaopt_omniglot.EXPERIMENT,
        metaopt_table_1.EXPERIMENT,
        metaopt_figure_2.EXPERIMENT,
        metaopt_table_2.EXPERIMENT,
        metaopt_figure_a1.EXPERIMENT,
        metaopt_figure_a2.EXPERIMENT,
        metaopt_table_a1.EXPERIMENT,
        metaopt_table_a2.EXPERIMENT,
        metaopt_table_a3.EXPERIMENT,
    )
}


def result(identifier: str, preset: str = "classroom", folder: Path | None = None) -> Result:
    """A stored result, of the package's own unless `folder` says otherwise.

    **Raises** `ValueError` for an identifier or a preset there is not, `FileNotFoundError` when
    nothing of it is stored.
    """
    if identifier not in EXPERIMENTS:
        raise ValueError(f"There is no {identifier!r}: choose from {', '.join(EXPERIMENTS)}.")
    return read(EXPERIMENTS[identifier], preset, folder)


__all__ = [
    "EXPERIMENTS",
    "Experiment",
    "Failure",
    "Finding",
    "Preset",
    "Result",
    "Table",
    "Watch",
    "pool_of",
    "published",
    "result",
    "results_folder",
    "run",
    "sweep",
]
