"""Explicit Runge–Kutta steps written out stage by stage.

Diffrax steps systems of any kind and size by one general loop. The flow of a linear head is a few
hundred numbers, and there the loop costs more than the stages. Tableaus remain Diffrax's.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import diffrax
import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

Field = Callable[[PyTree, Any], PyTree]


def is_explicit(solver: diffrax.AbstractSolver) -> bool:
    """Whether `step` can take this solver's steps: Euler, and methods with an explicit tableau."""
    if isinstance(solver, diffrax.Euler):
        return True
    tableau = solver.tableau if isinstance(solver, diffrax.AbstractERK) else None
    return isinstance(tableau, diffrax.ButcherTableau)


def num_stages(solver: diffrax.AbstractSolver) -> int:
    """Evaluations of the field in a step of an explicit solver."""
    return 1 if isinstance(solver, diffrax.Euler) else _tableau(solver).num_stages


def first_is_last(solver: diffrax.AbstractSolver) -> bool:
    """Whether an explicit solver's step ends with the evaluation that the next begins with."""
    return not isinstance(solver, diffrax.Euler) and _tableau(solver).fsal


def stability(solver: diffrax.AbstractSolver) -> float:
    """How far an explicit solver is stable along the negative real axis: 2 for Euler and Heun.

    The smallest z > 0 beyond which a step of length h = z/μ of dy/dt = −μy makes |y| larger.
    """
    if isinstance(solver, diffrax.Euler):
        return 2.0
    tableau = _tableau(solver)
    A = np.zeros((tableau.num_stages, tableau.num_stages))
    for i, row in enumerate(tableau.a_lower, start=1):
        A[i, :i] = row
    growth, stages = [1.0], np.ones(len(A))
    for _ in A:  # the coefficients of z, z², …: b·1, b·A1, …
        growth.append(float(np.asarray(tableau.b_sol) @ stages))
        stages = A @ stages
    grid = np.linspace(0, 20, 20_001)
    grows = np.abs(np.polyval(growth[::-1], -grid)) > 1 + 1e-6
    return float(grid[np.argmax(grows)]) if grows.any() else math.inf


def _tableau(solver: Any) -> diffrax.ButcherTableau:
    return solver.tableau


def step(
    solver: diffrax.AbstractSolver,
    field: Field,
    y: PyTree,
    args: Any,
    h: Float[Array, ""],
    first: PyTree | None,
) -> tuple[PyTree, PyTree | None, PyTree | None]:
    """One step of length `h` of dy/dt = field(y, args).

    **Arguments:**

    - `first`: field(y, args) where it is known, else `None`.

    **Returns** the new y; the error estimate, `None` for Euler; and, if the last stage was
    evaluated at the new y, field(y, args) there for the next step.
    """
    first = field(y, args) if first is None else first
    if isinstance(solver, diffrax.Euler):
        return _move(y, h, [1.0], [first]), None, None
    tableau = _tableau(solver)
    stages, at = [first], y
    for row in tableau.a_lower:
        at = _move(y, h, row, stages)
        stages.append(field(at, args))
    new = at if tableau.ssal else _move(y, h, tableau.b_sol, stages)
    error = jax.tree.map(lambda *ks: h * _sum(tableau.b_error, ks), *stages)
    return new, error, stages[-1] if tableau.fsal else None


def _move(y: PyTree, h: Array, weights: Iterable, stages: list[PyTree]) -> PyTree:
    weights = tuple(weights)
    return jax.tree.map(lambda y, *ks: y + h * _sum(weights, ks), y, *stages)


def _sum(weights: Iterable, stages: Iterable[Array]) -> Array:
    pairs = [(float(w), k) for w, k in zip(weights, stages, strict=True) if w]
    return sum((w * k for w, k in pairs[1:]), start=pairs[0][0] * pairs[0][1])
