"""Reverse mode through the small solve: the flow lives in the span of the features."""

import diffrax
import equinox as eqx

from .base import AbstractLinearAdjoint


class GramAdjoint(AbstractLinearAdjoint):
    """Solve for s (M·N numbers) and go back through that small solve, with checkpoints.

    s(T) determines W(T) = W0 − s(T)ᵀφ, and its vector field needs the Gram matrix φφᵀ and the
    first logits φW0ᵀ only. Differentiating those three products brings the gradient to W0 and the
    features. Exact for the discretised flow, so with `Euler` it is the gradient of ANIL.

    Memory: M·N numbers a checkpoint, independent of T and of d. Time: about six forward solves.

    **Arguments:**

    - `checkpoints`: how many states to keep; `None` lets Diffrax choose from `max_steps`.

    Not in the papers; it rests on Proposition 1 of COMLN (Deleu et al. 2022).
    """

    checkpoints: int | None = eqx.field(default=None, static=True)

    def solve_linear(self, head, T, ts, integrator):
        """See `AbstractLinearAdjoint`."""
        return integrator.solve(
            lambda s, head: head.vector_field(s),
            head.start(),
            head,
            T,
            ts,
            diffrax.RecursiveCheckpointAdjoint(self.checkpoints),
        )
