"""How an ordinary differential equation is stepped: a Diffrax solver with its step-size rule."""

import contextlib
import importlib
import warnings
from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from . import runge_kutta
from .counts import check_counts
from .step_control import Damped, Fastest

_MANY = 100  # numbers beyond which an implicit solver is said to be slow

_BY_NAME = {
    cls.__name__.lower(): cls
    for cls in (
        diffrax.Euler,
        diffrax.Heun,
        diffrax.Midpoint,
        diffrax.Ralston,
        diffrax.Bosh3,
        diffrax.Tsit5,
        diffrax.Dopri5,
        diffrax.Dopri8,
        diffrax.ImplicitEuler,
        diffrax.Kvaerno3,
        diffrax.Kvaerno4,
        diffrax.Kvaerno5,
    )
}


def get_solver(solver: diffrax.AbstractSolver | str) -> diffrax.AbstractSolver:
    """A Diffrax solver from itself or from its name, in any case.

    **Raises** `ValueError` for an unknown name, `TypeError` for anything else.
    """
    if isinstance(solver, str):
        if solver.lower() not in _BY_NAME:
            names = ", ".join(cls.__name__ for cls in _BY_NAME.values())
            raise ValueError(f"Unknown solver {solver!r}: choose one of {names}.")
        return _BY_NAME[solver.lower()]()
    if not isinstance(solver, diffrax.AbstractSolver):
        raise TypeError(
            f"solver must be a Diffrax solver or its name, such as 'dopri5'; got {solver!r}."
        )
    return solver


class StepState(eqx.Module):
    """Where a stepwise integration stands: `y` at time `t` is the last accepted state.

    `almost_T` is where a step counts as having reached T, a hundred roundings before it. `ok`
    turns false for good when a step cannot be computed (an implicit solver finds no root, a step
    cannot be shortened any more).
    """

    t: Float[Array, ""]
    y: PyTree
    accepted: Bool[Array, ""]
    done: Bool[Array, ""]
    ok: Bool[Array, ""]
    next_t: Float[Array, ""]
    almost_T: Float[Array, ""]
    solver_state: PyTree
    controller_state: PyTree


class Integration(eqx.Module):
    """A finished integration: the last state, the states at `ts`, how it went.

    `states` hold inf from where it stopped, as Diffrax marks what was not reached; `path` holds
    NaN there, since inf would stretch every axis, and is a copy.
    """

    final: PyTree
    states: PyTree | None
    stats: dict[str, Any]
    ok: Bool[Array, ""]

    @property
    def path(self) -> PyTree | None:
        """The states at `ts`, for the reader."""
        return jax.tree.map(lambda y: jnp.where(jnp.isinf(y), jnp.nan, y), self.states)


def _setting(x: Any) -> Any:
    """What the answer depends on by the solver's error alone: a gradient in it raises."""
    return eqxi.nondifferentiable(
        x,
        msg="rtol, atol and dt0 have no gradient: they set the solver's error. "
        "The step size of gradient_descent has one.",
    )


class Integrator(eqx.Module):
    """A solver, its tolerances or step, and a bound on the number of steps.

    Steps adapt to `rtol` and `atol` when the solver estimates its error and both are given;
    otherwise they are constant, `dt0` long. Without `dt0` the first step is 0.01. Tolerances and
    `dt0` may be traced, so a slider over them compiles nothing; a gradient in them raises.
    """

    solver: diffrax.AbstractSolver
    rtol: Float[Array, ""] | float | None = eqx.field(converter=_setting)
    atol: Float[Array, ""] | float | None = eqx.field(converter=_setting)
    dt0: Float[Array, ""] | float | None = eqx.field(converter=_setting)
    max_steps: int = eqx.field(static=True)

    def __check_init__(self):
        if (self.rtol is None) != (self.atol is None):
            raise ValueError(
                f"Give both tolerances or neither: rtol={self.rtol!r}, atol={self.atol!r}."
            )
        if not self.adaptive and self.dt0 is None:
            raise ValueError(
                f"{type(self.solver).__name__} takes constant steps here: "
                "give their length as dt0, the learning rate of the descent it amounts to."
            )
        if isinstance(self.dt0, int | float) and not self.dt0 > 0:
            raise ValueError(f"dt0 must be positive; got {self.dt0}.")
        check_counts(max_steps=self.max_steps)

    @property
    def adaptive(self) -> bool:
        """Whether the step size follows the error estimate."""
        return self.rtol is not None and isinstance(self.solver, diffrax.AbstractAdaptiveSolver)

    def _controller(self, fastest: Fastest | None) -> diffrax.AbstractStepSizeController:
        if not self.adaptive:
            return diffrax.ConstantStepSize()
        assert self.rtol is not None and self.atol is not None
        controller = diffrax.PIDController(rtol=self.rtol, atol=self.atol)
        if fastest is None or not self.explicit:
            return controller
        return Damped(controller, fastest, runge_kutta.stability(self.solver))

    @property
    def _first_step(self) -> Float[Array, ""] | float:
        """`dt0`, or 0.01. Diffrax's own guess differs between `diffeqsolve` and a controller."""
        return 0.01 if self.dt0 is None else self.dt0

    @property
    def _stepper(self) -> diffrax.AbstractSolver:
        """The solver; an implicit one with the step control's tolerances in its root finder."""
        if not isinstance(self.solver, diffrax.AbstractImplicitSolver):
            return self.solver
        if isinstance(self.solver.root_finder.rtol, float | int | jax.Array):
            return self.solver
        controller = self._controller(None)
        if not isinstance(controller, diffrax.PIDController):
            raise ValueError(
                f"{type(self.solver).__name__} is implicit and solves equations to the tolerances "
                "of adaptive steps: give rtol and atol."
            )
        where = lambda s: (s.root_finder.rtol, s.root_finder.atol, s.root_finder.norm)
        return eqx.tree_at(where, self.solver, (controller.rtol, controller.atol, controller.norm))

    def _mind_the_size(self, y0: PyTree) -> None:
        """Warn of an implicit solver for many numbers: of a 5-way 5-shot task, 170 times slower."""
        count = sum(jnp.size(y) for y in jax.tree.leaves(y0))
        if isinstance(self.solver, diffrax.AbstractImplicitSolver) and count > _MANY:
            warnings.warn(
                f"{type(self.solver).__name__} is implicit: at every step it factors a matrix of "
                f"{count:,} × {count:,} numbers. Explicit solvers such as Dopri5 are faster here.",
                stacklevel=2,
            )

    def solve(
        self,
        field: Callable[[PyTree, Any], PyTree],
        y0: PyTree,
        args: Any,
        T: Float[Array, ""],
        ts: Float[Array, " n"] | None,
        adjoint: diffrax.AbstractAdjoint,
        fastest: Fastest | None = None,
    ) -> Integration:
        """Integrate dy/dt = field(y, args) from 0 to `T`, keeping the states at `ts`.

        Never raises for a failed solve: `ok` is false then. Differentiation follows `adjoint`.
        Adaptive explicit steps keep to where the solver damps the `fastest` mode, if it is given.
        """
        self._mind_the_size(y0)
        ends = diffrax.SubSaveAt(t1=True)
        subs = (ends,) if ts is None else (ends, diffrax.SubSaveAt(ts=ts))
        with _no_callbacks():
            sol = diffrax.diffeqsolve(
                diffrax.ODETerm(_autonomous(field)),
                self._stepper,
                jnp.zeros_like(T),
                T,
                self._first_step,
                y0,
                args,
                saveat=diffrax.SaveAt(subs=subs),
                stepsize_controller=self._controller(fastest),
                adjoint=adjoint,
                max_steps=self.max_steps,
                throw=False,
            )
        assert sol.ys is not None and sol.ts is not None
        final = jax.tree.map(lambda y: y[-1], sol.ys[0])
        states = None if ts is None else sol.ys[1]
        ok = (sol.result == diffrax.RESULTS.successful) & all_finite(final)
        accepted, tried = (
            jnp.asarray(sol.stats[name]) for name in ("num_accepted_steps", "num_steps")
        )
        return Integration(final, states, self._stats(accepted, tried, sol.ts[0][-1]), ok)

    @property
    def explicit(self) -> bool:
        """Whether `walk` and `step` write the solver's stages out (see `runge_kutta`)."""
        return runge_kutta.is_explicit(self.solver)

    def walk(
        self,
        field: Callable[[PyTree, Any], PyTree],
        y0: PyTree,
        args: Any,
        T: Float[Array, ""],
        note: Callable[[PyTree, StepState, Int[Array, ""]], PyTree] = lambda notes, state, n: notes,
        notes: PyTree = None,
        fastest: Fastest | None = None,
    ) -> tuple[Integration, PyTree]:
        """Integrate as `solve` does, step by step, taking notes.

        **Arguments:**

        - `note`: (notes, state, n) → notes, after every attempt: if `state.accepted`, the n-th
          accepted step has just led to `state`; otherwise n, t and y are what they were.
        - `notes`: those to begin with.
        - `fastest`: as in `solve`.

        It ends early where the state is not finite any more. Reverse mode does not go through it.
        """

        def going(state, tried):
            return ~state.done & state.ok & (tried < self.max_steps) & all_finite(state.y)

        # Tasks of a batch go on as long as one of them does; the others rest. Left to `vmap`, the
        # loop would copy all notes at every step.
        def body(carry):
            state, n, tried, notes = carry
            now = going(state, tried)
            new = self.step(field, state, args, T, fastest)
            state = jax.tree.map(lambda a, b: jnp.where(now, a, b), new, state)
            state = eqx.tree_at(lambda s: s.accepted, state, state.accepted & now)
            n, tried = n + state.accepted, tried + now
            return state, n, tried, note(notes, state, n)

        zero = jnp.zeros((), int)
        start = (self.init(field, y0, args, T, fastest), zero, zero, notes)
        state, n, tried, notes = jax.lax.while_loop(
            lambda carry: eqxi.unvmap_any(going(carry[0], carry[2])), body, start
        )
        ok = state.done & state.ok & all_finite(state.y)
        return Integration(state.y, None, self._stats(n, tried, state.t), ok), notes

    def _stats(
        self, accepted: Int[Array, ""], tried: Int[Array, ""], t: Float[Array, ""]
    ) -> dict[str, Any]:
        return {
            "num_steps": tried,
            "num_accepted_steps": accepted,
            "num_rejected_steps": tried - accepted,
            "num_gradient_evaluations": self.evaluations(tried),
            "final_time": t,
        }

    def evaluations(self, steps: Int[Array, ""]) -> Int[Array, ""] | None:
        """Evaluations of the vector field: the solver's stages, shared where first = last."""
        if not self.explicit:
            return None
        stages = runge_kutta.num_stages(self.solver)
        if runge_kutta.first_is_last(self.solver):
            return steps * (stages - 1) + 1
        return steps * stages

    def init(
        self,
        field: Callable[[PyTree, Any], PyTree],
        y0: PyTree,
        args: Any,
        T: Float[Array, ""],
        fastest: Fastest | None = None,
    ) -> StepState:
        """The state before the first step; `step` takes it on. The same steps as `solve`'s."""
        self._mind_the_size(y0)
        term = diffrax.ODETerm(_autonomous(field))
        t0 = jnp.zeros_like(T)
        solver = self._stepper
        first = jnp.asarray(self._first_step, T.dtype)
        next_t, controller_state = self._controller(fastest).init(
            term, t0, T, y0, first, args, solver.func, solver.error_order(term)
        )
        next_t = jnp.minimum(next_t, T)
        if self.explicit:
            solver_state = field(y0, args) if runge_kutta.first_is_last(solver) else None
        else:
            solver_state = solver.init(term, t0, next_t, y0, args)
        no = jnp.zeros((), bool)
        almost_T = jax.lax.fori_loop(0, 100, lambda _, x: jnp.nextafter(x, -jnp.inf), T)
        return StepState(t0, y0, no, no, ~no, next_t, almost_T, solver_state, controller_state)

    def constant_time(
        self, j: Int[Array, ""], n: Int[Array, ""], T: Float[Array, ""]
    ) -> Float[Array, ""]:
        """The time after `j` of `n` constant steps, as Diffrax spaces them from the second on."""
        assert self.dt0 is not None
        return jnp.where(j == 1, jnp.minimum(self.dt0, T), T * (j / n).astype(T.dtype))

    def step(
        self,
        field: Callable[[PyTree, Any], PyTree],
        state: StepState,
        args: Any,
        T: Float[Array, ""],
        fastest: Fastest | None = None,
    ) -> StepState:
        """One attempted step: accepted, it moves `t` and `y`; rejected, only the next attempt."""
        term = diffrax.ODETerm(_autonomous(field))
        solved = diffrax.RESULTS.successful
        if self.explicit:
            h = state.next_t - state.t
            y, error, solver_state = runge_kutta.step(
                self.solver, field, state.y, args, h, state.solver_state
            )
        else:
            y, error, _, solver_state, solved = self._stepper.step(
                term, state.t, state.next_t, state.y, args, state.solver_state, made_jump=False
            )
        # A NaN error is a bad step, to be tried again shorter.
        error = jax.tree.map(lambda e: jnp.where(jnp.isnan(e), jnp.inf, e), error)
        keep, t, next_t, _, controller_state, adapted = self._controller(fastest).adapt_step_size(
            state.t,
            state.next_t,
            state.y,
            y,
            args,
            error,
            self.solver.error_order(term) or 0,
            state.controller_state,
        )
        keep = jnp.asarray(keep)
        choose = lambda new, old: jax.tree.map(lambda a, b: jnp.where(keep, a, b), new, old)
        t = jnp.asarray(t)
        # As Diffrax does: land on T exactly, without a sliver of a last step.
        end = jnp.where(keep, T, t + 0.5 * (T - t))
        next_t = jnp.where(next_t > state.almost_T, end, next_t)
        return StepState(
            t,
            choose(y, state.y),
            keep,
            t >= T,
            state.ok
            & (solved == diffrax.RESULTS.successful)
            & (adapted == diffrax.RESULTS.successful),
            next_t,
            state.almost_T,
            choose(solver_state, state.solver_state),
            controller_state,
        )


@contextlib.contextmanager
def _no_callbacks():
    """Trace Diffrax without its run-time checks of T, ts and dt0, which callers here have made.

    They call back to Python, and JAX stores no program that does: each new kernel would compile
    every live figure anew.
    """
    errors: Any = importlib.import_module("equinox._errors")
    before = errors.EQX_ON_ERROR
    errors.EQX_ON_ERROR = "off"
    try:
        yield
    finally:
        errors.EQX_ON_ERROR = before


def _autonomous(field: Callable[[PyTree, Any], PyTree]) -> Callable:
    return lambda t, y, args: field(y, args)


def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """Whether every number in the tree is finite."""
    leaves = [jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(tree) if eqx.is_inexact_array(x)]
    return jnp.all(jnp.stack(leaves)) if leaves else jnp.array(True)
