"""Reverse mode through the small solve: the flow lives in the span of the features."""

import math

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .. import runge_kutta
from ..counts import check_counts
from ..integrator import Integrator
from ..models import LinearHead
from .base import AbstractLinearAdjoint, head_field, head_mode, materialise


class GramAdjoint(AbstractLinearAdjoint):
    """Solve for s (M·N numbers) and go back through that small solve, step by step.

    s(T) determines W(T) = W0 − s(T)ᵀφ, and its vector field needs the Gram matrix φφᵀ and the
    first logits φW0ᵀ only. Differentiating those three products brings the gradient to W0 and the
    features. Exact for the discretised flow, so with `Euler` it is the gradient of ANIL. Adaptive
    steps are cut to where the solver is stable, or this derivative would grow with each of them.

    Explicit solvers keep states on the way and go back through the stages of each step; others,
    and solves whose path is asked for, go through Diffrax's checkpointed reverse mode.

    Memory: M·N numbers a checkpoint, independent of T and of d. Time: about three forward solves.

    **Arguments:**

    - `checkpoints`: how many states to keep, rounded up to a power of two; by default, and at
      least, the square root of `max_steps`, usually 64. After more steps than that, the states
      between two that were kept are computed once more.

    Not in the papers; it rests on Proposition 1 of COMLN (Deleu et al. 2022).
    """

    checkpoints: int | None = eqx.field(default=None, static=True)

    def __check_init__(self):
        if self.checkpoints is not None:
            check_counts(checkpoints=self.checkpoints)

    def solve_linear(self, head, T, ts, integrator):
        """See `AbstractLinearAdjoint`."""
        if ts is None and integrator.explicit:
            least = math.sqrt(integrator.max_steps)
            kept = 2 ** math.ceil(math.log2(max(self.checkpoints or 1, least)))
            return _solve(head, T=T, integrator=integrator, kept=kept)
        checkpointed = diffrax.RecursiveCheckpointAdjoint(self.checkpoints)
        return integrator.solve(head_field, head.start(), head, T, ts, checkpointed, head_mode)


class Trace(eqx.Module):
    """What the way back needs of the way forth.

    `states` are those after every `stride` steps, the stride being the smallest power of two with
    which they suffice. State n is in slot n mod K + ⌊n/K⌋ of K slots: each time the stride
    doubles, this fills those of the states that are no longer wanted (up to K² steps). `times`
    are those of all steps, where they are not of one length.
    """

    states: Float[Array, "K M N"]
    times: Float[Array, " n"] | None

    def stride(self, n: Int[Array, ""]) -> Int[Array, ""]:
        """After n steps."""
        rounds = n // len(self.states)
        return jnp.left_shift(1, jnp.iinfo(n.dtype).bits - jax.lax.clz(rounds))

    def slot(self, n: Int[Array, ""]) -> Int[Array, ""]:
        """Where state n is, if it is a multiple of the stride."""
        K = len(self.states)
        return n % K + n // K


@eqx.filter_custom_vjp
def _solve(head: LinearHead, *, T, integrator: Integrator, kept: int):
    return integrator.walk(head_field, head.start(), head, T, fastest=head_mode)[0]


@_solve.def_fwd
def _forward(perturbed, head, *, T, integrator, kept):
    start = head.start()
    states = jnp.zeros((kept, *start.shape), start.dtype)
    adaptive = integrator.adaptive
    trace = Trace(states, jnp.zeros(integrator.max_steps + 1, T.dtype) if adaptive else None)

    def note(trace, state, n):
        # Nothing begins where no step is left.
        wanted = state.accepted & (n < integrator.max_steps) & (n % trace.stride(n) == 0)
        slot = jnp.where(wanted, trace.slot(n), kept)  # beyond the end: dropped
        states = trace.states.at[slot].set(state.y, mode="drop")
        return Trace(states, None if trace.times is None else trace.times.at[n].set(state.t))

    run, trace = integrator.walk(head_field, start, head, T, note, trace, head_mode)
    return run, (trace, run.stats["num_accepted_steps"])


@_solve.def_bwd
def _backward(residuals, cotangent, perturbed, head, *, T, integrator, kept):
    trace, n = residuals
    last = integrator.max_steps - 1
    stride = trace.stride(jnp.minimum(n, last))
    # Tasks of a batch go together, as far as the longest: beyond its own end a task takes steps of
    # length zero, which change nothing. Bounds of their own would copy every array at every step.
    longest, count = eqxi.unvmap_max(stride), eqxi.unvmap_max(-(-n // stride))
    start = head.start()
    longest_ever = 1 << (last // kept).bit_length()
    between = jnp.zeros((longest_ever, *start.shape), start.dtype)

    def time(j):
        return integrator.constant_time(j, n, T) if trace.times is None else trace.times[j]

    def advance(s, head, first, k):
        j = first + k
        h = time(j + 1) - time(j)
        h = jnp.where((k < stride) & (j < n), h, 0)
        return runge_kutta.step(integrator.solver, head_field, s, head, h, None)[0]

    def back_over_a_stride(i, carry):
        first = (count - 1 - i) * stride
        forth = lambda k, states: states.at[k + 1].set(advance(states[k], head, first, k))
        states = between.at[0].set(trace.states[trace.slot(first)])
        states = jax.lax.fori_loop(0, longest - 1, forth, states)

        def back(i, carry):
            k = longest - 1 - i
            costate, shares = carry
            _, pull = jax.vjp(lambda s, head: advance(s, head, first, k), states[k], head)
            costate, to_head = pull(costate)
            return costate, jax.tree.map(jnp.add, shares, to_head)

        return jax.lax.fori_loop(0, longest, back, carry)

    final = materialise(cotangent.final, start)
    carry = (final, jax.tree.map(jnp.zeros_like, head))
    return jax.lax.fori_loop(0, count, back_over_a_stride, carry)[1]
