"""Initializations that come with the package, and the flow of networks that start from them."""

import functools
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool

from ..inner import gradient_flow
from ..models import AbstractNetwork, Labelled
from ..papers import amaml_figure_2, amaml_tables_1_2
from ..papers.initializations import SQUARED, Protocol, network
from ..papers.results import results_folder
from .precision import in_float32

# As one says them, and as the experiments that train them call them.
METHODS = {
    "A-MAML": "AMAML", "MAML": "MAML", "MAML-1": "MAML-1", "FOMAML": "FOMAML",
    "Reptile": "Reptile", "iMAML": "IMAML",
}  # fmt: skip
UNTRAINED = "untrained"
FUNCTIONS, FUNCTION_SHOTS, FUNCTION_T = tuple(amaml_figure_2.FUNCTIONS), 50, 2.0
RATINGS, RATING_SHOTS, RATING_T = ("tastes", "movielens-100k"), 10, 1.0
# As far apart as the steps of a slider, so that each step shows another state.
LOG_TIMES = -2.0, 1.0
STEP = 0.05
TIMES = 10 ** np.linspace(*LOG_TIMES, 61)
_TOLERANCE = 1e-5


def protocol(problem: str) -> Protocol:
    """How the initializations for a family of functions, or for a dataset of ratings, are learned:
    as those of Figure 2 and of Table 2 of A-MAML in their classroom presets.
    """
    return (amaml_figure_2 if problem in FUNCTIONS else amaml_tables_1_2).CLASSROOM


def place(problem: str, method: str) -> Path:
    """The file of an initialization."""
    return results_folder() / "models" / f"{problem}-{method}.eqx"


@functools.cache
@in_float32
def start(problem: str, method: str) -> AbstractNetwork:
    """An initialization, in float32: a method's for a problem, or the random one from which all
    their meta-trainings start.

    **Raises** `OSError` when its file is missing.
    """
    recipe = network(protocol(problem))
    key = jax.random.split(jax.random.key(protocol(problem).seed))[0]
    if method == UNTRAINED:
        return eqx.filter_jit(recipe.init)(key)
    if not place(problem, method).is_file():
        raise FileNotFoundError(
            f"There is no {method} start for {problem} yet: run `python "
            f"tools/train_initializations.py {problem}-{method}`."
        )
    like = eqx.filter_eval_shape(recipe.init, key)
    return eqx.tree_deserialise_leaves(place(problem, method), like)


def nearest(T: float) -> int:
    """Which of `TIMES` is nearest to T."""
    return int(np.argmin(np.abs(np.log(TIMES / T))))


def follow(network: AbstractNetwork, support: Labelled) -> tuple[AbstractNetwork, Bool[Array, ""]]:
    """A network at each of `TIMES` of its gradient flow, and whether it came to the last.

    Its arrays get a leading axis; what was not reached is NaN. Labels that are NaN do not count.
    """
    solution = gradient_flow(
        SQUARED, network, support, TIMES[-1], ts=jax.numpy.asarray(TIMES), rtol=_TOLERANCE,
        atol=_TOLERANCE, throw=False,
    )  # fmt: skip
    path: Any = solution.path  # there are `ts`
    return path, solution.ok
