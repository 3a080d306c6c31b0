"""Gradient descent against gradient flow on one landscape: what FlowExplorer shows."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from ..descent import Descent
from ..inner import gradient_flow, linear_flow
from ..integrator import Integrator, get_solver
from ..models import LinearHead
from ..objective import Objective
from .kept import kept
from .landscapes import Landscape, landscape
from .precision import in_float64

POINTS = 128  # of the reference flow's path
MAX_STEPS = 2000  # of the solver on show
MAX_DESCENT = 400  # gradient steps drawn


class Record(eqx.Module):
    """Everything the figure draws. Rows beyond what was computed are NaN."""

    flow_t: Float[Array, " n"]
    flow_xy: Float[Array, "n 2"]
    flow_loss: Float[Array, " n"]
    flow_ok: Bool[Array, ""]
    steps_t: Float[Array, " k"]
    steps_xy: Float[Array, "k 2"]
    steps_done: Int[Array, ""]
    solver_ok: Bool[Array, ""]
    end_time: Float[Array, ""]
    evaluations: Int[Array, ""] | None
    error: Float[Array, ""]
    descent_t: Float[Array, " m"]
    descent_xy: Float[Array, "m 2"]
    descent_loss: Float[Array, " m"]
    descent_steps: Float[Array, ""]
    query_loss: Float[Array, " n"]
    query_accuracy: Float[Array, " n"]
    query_probabilities: Float[Array, "Q N"] | None


@in_float64
def study(
    *,
    problem: str,
    T: float,
    solver: str,
    tolerance: float,
    step: float,
    alpha: float,
    start: tuple[float, float],
    condition: float = 10.0,
    shots: int = 5,
    seed: int = 0,
) -> Record:
    """Descent and flow from `start` for time `T`.

    **Arguments:**

    - `problem`: a name in `landscapes.NAMES`; `condition` is for the quadratic, `shots` and `seed`
      for the few-shot task (`seed` for logistic regression too).
    - `solver`: a Diffrax solver's name; adaptive ones follow `tolerance` (relative and absolute),
      Euler takes steps of `step`.
    - `alpha`: learning rate of the discrete path.
    - `start`: coordinates in the landscape's plane.
    """
    land, _ = landscape(problem, condition=condition, shots=shots, seed=seed)
    # Arrays are traced: a slider over them compiles nothing. A Python number would be a constant,
    # and a JAX array made of it a computation of its own.
    traced: Any = tuple(np.asarray(x, float) for x in (start, T, alpha, tolerance, step))
    return _compute(land, traced, get_solver(solver))


@kept
def _compute(land: Landscape, traced: tuple[Array, ...], solver: diffrax.AbstractSolver) -> Record:
    start, T, alpha, tolerance, step = traced
    params = land.embed(start)

    # The flow as exactly as can be had, at times that are dense near 0 where it is fastest.
    ts = T * jnp.linspace(0, 1, POINTS) ** 3
    tight: dict[str, Any] = dict(
        solver="dopri8", rtol=1e-9, atol=1e-9, ts=ts, max_steps=MAX_STEPS, throw=False
    )
    if land.linear_head:
        features, labels = land.data
        flow = linear_flow(params, features, labels, T, **tight)
    else:
        flow = gradient_flow(land.loss, params, land.data, T, **tight)
    assert flow.path is not None

    # The solver on show, step by step: the dots in the picture are its accepted steps.
    integrator = Integrator(solver, tolerance, tolerance, _first_step(solver, step), MAX_STEPS)
    end = _walk(land, params, T, integrator)

    losses = jax.vmap(land.at)
    query = jax.vmap(lambda p: _query(land, p))(flow.path)
    travelled = jnp.linalg.norm(flow.params - params)
    return Record(
        flow_t=ts,
        flow_xy=land.project(flow.path),
        flow_loss=losses(flow.path),
        flow_ok=flow.ok,
        **_descend(land, params, T, alpha),
        error=jnp.linalg.norm(end["params"] - flow.params) / travelled,
        query_loss=query[0],
        query_accuracy=query[1],
        query_probabilities=_probabilities(land, end["params"]),
        **{k: v for k, v in end.items() if k != "params"},
    )


def _descend(land: Landscape, params: Array, T: Array, alpha: Array) -> dict[str, Array]:
    """Gradient descent up to T, the first `MAX_DESCENT` steps of it, seen in the plane."""
    descent = Descent(Objective.of(land.loss, params, land.data), optax.sgd(alpha))
    # A little slack, so that T = kα shows k steps whatever the rounding.
    steps = jnp.floor(T / alpha * (1 + 1e-9))

    def body(carry):
        (params, memory), xys, losses, done = carry
        params, memory = descent.step((params, memory))
        done = done + 1
        xys = xys.at[done].set(land.project(params))
        return (params, memory), xys, losses.at[done].set(land.at(params)), done

    unknown = jnp.full(MAX_DESCENT + 1, jnp.nan)
    start = (
        descent.init(params),
        jnp.stack([unknown, unknown], axis=-1).at[0].set(land.project(params)),
        unknown.at[0].set(land.at(params)),
        jnp.zeros((), int),
    )
    shown = jnp.minimum(steps, MAX_DESCENT)
    _, xys, losses, _ = jax.lax.while_loop(lambda carry: carry[3] < shown, body, start)
    return {
        "descent_t": alpha * jnp.arange(MAX_DESCENT + 1),
        "descent_xy": xys,
        "descent_loss": losses,
        "descent_steps": steps,
    }


def _first_step(solver: diffrax.AbstractSolver, step: Array) -> Array | None:
    return None if isinstance(solver, diffrax.AbstractAdaptiveSolver) else step


def _walk(land: Landscape, params: Array, T: Array, integrator: Integrator) -> dict[str, Any]:
    """The integrator's accepted steps, seen in the plane, and the parameters it ends at."""
    if land.linear_head:
        features, labels = land.data
        head = LinearHead.on(params, features, labels, jnp.zeros_like(T))
        y0, field, args = head.start(), lambda s, head: head.vector_field(s), head
        # In the coordinates s the plane's coordinates are linear too; W itself is formed once.
        shadow = jnp.einsum("md,cnd->cmn", features, land.basis)
        see = lambda s: land.project(params) - jnp.tensordot(shadow, s, axes=2)
        rebuild = lambda s: params - s.T @ features
    else:
        y0, args, rebuild, see = params, land.data, lambda w: w, land.project
        field = lambda w, data: -jax.grad(land.loss)(w, data)

    def note(notes, state, n):
        ts, xys = notes
        return ts.at[n].set(state.t), xys.at[n].set(see(state.y))

    ts = jnp.full(integrator.max_steps + 1, jnp.nan).at[0].set(0.0)
    xys = jnp.full((integrator.max_steps + 1, 2), jnp.nan).at[0].set(see(y0))
    run, (ts, xys) = integrator.walk(field, y0, args, T, note, (ts, xys))
    return {
        "params": rebuild(run.final),
        "steps_t": ts,
        "steps_xy": xys,
        "steps_done": run.stats["num_accepted_steps"],
        "solver_ok": run.ok,
        "end_time": run.stats["final_time"],
        "evaluations": run.stats["num_gradient_evaluations"],
    }


def _probabilities(land: Landscape, params: Array) -> Array | None:
    if not land.linear_head:
        return None
    return jax.nn.softmax(land.validation[0] @ params.T)


def _query(land: Landscape, params: Array) -> tuple[Array, Array]:
    """Validation loss, and accuracy where the landscape is a classifier's."""
    loss = land.loss(params, land.validation)
    if not land.linear_head:
        return loss, jnp.full_like(loss, jnp.nan)
    inputs, labels = land.validation
    right = jnp.argmax(inputs @ params.T, axis=-1) == jnp.argmax(labels, axis=-1)
    return loss, jnp.mean(right.astype(params.dtype))
