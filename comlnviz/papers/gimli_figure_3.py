"""GIMLI, Figure 3: the learned rates and betas of each array, Adam inside."""

import numpy as np

from .experiment import Experiment
from .findings import Cells, Finding, is_so
from .gimli_figure_2 import judge as judge_rates
from .gimli_figure_2 import preset
from .gimli_table_2 import CLASSROOM, LARGE, PAPER, SMALL


def judge(cells: Cells) -> tuple[Finding, ...]:
    """The rates as in Figure 2, and how far the betas spread (Appendix B)."""
    cell = cells.get("vgg+Adam, 20-way 1-shot", {})
    if "b1" not in cell:
        return ()
    b1, b2 = (np.asarray(cell[name][-1]) for name in ("b1", "b2"))
    ranges = lambda b: f"{b.min():.4g} to {b.max():.4g}"
    apart = bool((b2 < 0.3).any() and (b2 > 0.7).any())
    return (
        *judge_rates("Adam", cells),
        is_so("β₁ spreads over its range.", float(np.ptp(b1)) > 0.5, ranges(b1)),
        is_so("β₂ splits the arrays into low ones and high ones.", apart, ranges(b2)),
    )


EXPERIMENT = Experiment(
    "gimli-figure-3",
    "Learned rates and betas of each array over meta-training, Adam inside",
    "Most of the rates fall to near zero, β₁ spreads evenly, β₂ splits into low and high.",
    {
        "classroom": lambda: preset("Adam", CLASSROOM, SMALL, "about 5 minutes on one core"),
        "paper": lambda: preset("Adam", PAPER, LARGE, "a day on one GPU"),
    },
    judge,
)
