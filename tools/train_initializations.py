"""Meta-train the initializations that RegressionAdaptation and RatingsLab come with, into
results/models/.

    python tools/train_initializations.py [TEXT]

Those whose names contain TEXT, such as `Alpine`, `A-MAML` or `tastes`; all without it. They are
those of A-MAML's Figure 2, 50shot-50val, and of its Table 2, 10shot-15val, in the classroom
presets: of functions by all six methods, of ratings by A-MAML. Half a minute to two minutes each on
two cores. What was interrupted goes on, and what `comlnviz reproduce` has trained is read.
"""

import argparse
import time

import equinox as eqx

from comlnviz.cache import cache_folder
from comlnviz.papers import amaml_figure_2, amaml_tables_1_2
from comlnviz.papers.initializations import ALPHA, initialization
from comlnviz.studies import learned_starts as starts
from comlnviz.studies.ratings import METHOD


def train(problem: str, method: str) -> None:
    """One initialization, written to its file."""
    if problem in starts.FUNCTIONS:
        paper, experiment = amaml_figure_2, "amaml-figure-2"
        shots, T = starts.FUNCTION_SHOTS, starts.FUNCTION_T
    else:
        paper, experiment = amaml_tables_1_2, "amaml-table-2"
        shots, T = starts.RATING_SHOTS, starts.RATING_T
    scratch = cache_folder() / "runs" / experiment / "classroom"
    network = initialization(
        starts.METHODS[method], starts.protocol(problem), round(T / ALPHA),
        paper.training(problem, shots), paper.files(problem, shots, scratch),
    )  # fmt: skip
    path = starts.place(problem, method)
    path.parent.mkdir(parents=True, exist_ok=True)
    eqx.tree_serialise_leaves(path, network)


def main() -> None:
    """Train what is asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="?", default="", help="only names that contain it")
    text = parser.parse_args().text
    pairs = [(problem, method) for problem in starts.FUNCTIONS for method in starts.METHODS]
    pairs += [(problem, METHOD) for problem in starts.RATINGS]
    for problem, method in pairs:
        if text in f"{problem}-{method}":
            began = time.monotonic()
            train(problem, method)
            print(f"{problem}-{method}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
