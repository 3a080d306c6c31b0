"""The papers' tables and figures: what was published, and the experiments that reproduce it."""

from collections.abc import Mapping

from . import comln_figure_5, comln_figure_d, comln_table_2, comln_table_4, comln_table_5
from .experiment import Experiment, Preset, run
from .published import published
from .results import result, results_folder, side_by_side

EXPERIMENTS: Mapping[str, Experiment] = {
    module.EXPERIMENT.identifier: module.EXPERIMENT
    for module in (comln_table_2, comln_table_4, comln_table_5, comln_figure_5, comln_figure_d)
}

__all__ = [
    "EXPERIMENTS",
    "Experiment",
    "Preset",
    "published",
    "result",
    "results_folder",
    "run",
    "side_by_side",
]
