"""Descent on a whole network, or on all of it but some layers."""

import equinox as eqx
import optax
from jaxtyping import PyTree

from ..adjoints import AbstractDescentAdjoint
from ..inner import gradient_descent
from ..models import AbstractCriterion, Labelled
from ..models.freeze import split
from ..solution import Solution


def descend(
    criterion: AbstractCriterion,
    network: PyTree,
    support: Labelled,
    num_steps: int,
    optimizer: optax.GradientTransformation,
    adjoint: AbstractDescentAdjoint,
    frozen: tuple[str, ...] = (),
) -> Solution:
    """`gradient_descent` of `criterion` on `support`, in what is not `frozen`.

    **Raises** `ValueError` for a frozen name that does not exist.
    """
    moving, still = split(network, frozen)
    solution = gradient_descent(
        lambda moving, data: criterion(eqx.combine(moving, still), data),
        moving,
        support,
        num_steps,
        optimizer=optimizer,
        adjoint=adjoint,
    )
    adapted = eqx.combine(solution.params, still)
    return Solution(adapted, solution.path, solution.stats, solution.ok)
