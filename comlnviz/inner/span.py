"""The solve in the span of the features and the way back from it: all that costs d numbers.

W(t) = W0 − s(t)ᵀφ, and the flow of s sees the features through φφᵀ and φW0ᵀ alone: three products
with d numbers on the way forth. Those of the way back are taken in slices of d, together, so that
nothing of the size of the features is held beside the gradient itself.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..adjoints import AbstractLinearAdjoint
from ..adjoints.base import materialise
from ..full_precision import in_full_precision
from ..integrator import Integrator, all_finite
from ..models import LinearHead

_WIDTH = 512  # of a slice, at most: a task's slices are then some 100 kB, which a cache holds


# W0 (N,d), the features φ (M,d), the labels (M,N), λ and T.
Given = tuple[Array, Array, Array, Array, Array]


class Followed(eqx.Module):
    """W at the end, in front of those at `ts`, and how the solve went."""

    weights: Float[Array, "n N d"]
    stats: dict[str, Any]
    ok: Bool[Array, ""]


@eqx.filter_custom_vjp
@in_full_precision
def follow(
    given: Given,
    *,
    ts: Float[Array, " n"] | None,
    integrator: Integrator,
    adjoint: AbstractLinearAdjoint,
) -> Followed:
    """Integrate s by the adjoint and go back to W; differentiable in all that is given."""
    W0, features, labels, proximal, T = given
    head = LinearHead.on(W0, features, labels, proximal)
    s, (stats, ok) = _integrate(head, T, ts, integrator, adjoint)
    return Followed(_weights(W0, features, s), stats, ok)


def _integrate(head, T, ts, integrator, adjoint) -> tuple[Float[Array, "n M N"], Any]:
    # A negative T makes `ok` false in the end; Diffrax would raise.
    run = adjoint.solve_linear(head, jax.lax.stop_gradient(jnp.maximum(T, 0)), ts, integrator)
    # Proposition 4: the gradient in T is the vector field at the end, whatever the adjoint. The
    # added term is zero and has that derivative.
    s = run.final + (T - jax.lax.stop_gradient(T)) * jax.lax.stop_gradient(
        head.vector_field(run.final)
    )
    s = s[None] if run.path is None else jnp.concatenate([s[None], run.path])
    # What is not finite in W0 or the features is not in these, which are few.
    return s, (run.stats, run.ok & all_finite((head.gram, head.logits0)))


def _weights(
    W0: Float[Array, "N d"], features: Float[Array, "M d"], s: Float[Array, "n M N"]
) -> Float[Array, "n N d"]:
    """W = W0 − sᵀφ (COMLN, Proposition 1)."""
    return W0[None] - (_side_by_side(s).T @ features).reshape(len(s), *W0.shape)


def _side_by_side(s: Float[Array, "n M N"]) -> Float[Array, "M nN"]:
    n, M, N = s.shape
    return jnp.moveaxis(s, 0, 1).reshape(M, n * N)


@follow.def_fwd
@in_full_precision
def _forward(perturbed, given, *, ts, integrator, adjoint):
    W0, features, labels, proximal, T = given
    of_W0, of_features, *of_the_rest = perturbed
    head = LinearHead.on(W0, features, labels, proximal)
    parts = (head.gram, head.logits0, labels, proximal, T)
    moved = (of_features, of_W0 or of_features, *of_the_rest)
    moving, fixed = eqx.partition(parts, moved)

    def solve(moving):
        *head, T = eqx.combine(moving, fixed)
        return _integrate(LinearHead(*head), T, ts, integrator, adjoint)

    s, pull, (stats, ok) = eqx.filter_vjp(solve, moving, has_aux=True)
    return Followed(_weights(W0, features, s), stats, ok), (s, pull)


@follow.def_bwd
@in_full_precision
def _backward(residuals, cotangent, perturbed, given, *, ts, integrator, adjoint):
    s, pull = residuals
    W0, features, *_ = given
    of_W0, of_features, *_ = perturbed
    n, M, N = s.shape
    V = materialise(cotangent.weights, jax.eval_shape(_weights, W0, features, s))
    V = V.reshape(n * N, -1)
    ((gram, logits0, *rest),) = pull(-jnp.moveaxis((features @ V.T).reshape(M, n, N), 1, 0))
    if not (of_W0 or of_features):
        return None, None, *rest
    # What φφᵀ, φW0ᵀ and W = W0 − sᵀφ hand back, to W0 and to the features: shares of φ, W0 and V.
    of_V = jnp.tile(jnp.eye(N, dtype=s.dtype), n)
    shares = jnp.concatenate([logits0.T, jnp.zeros((N, N), s.dtype), of_V], axis=1)
    if of_features:
        to_features = jnp.concatenate([gram + gram.T, logits0, -_side_by_side(s)], axis=1)
        shares = jnp.concatenate([shares, to_features])
    to_W0, to_features = _shared_out(shares, features, W0, V)
    return to_W0 if of_W0 else None, to_features if of_features else None, *rest


def _shared_out(
    shares: Float[Array, "rows columns"],
    features: Float[Array, "M d"],
    W0: Float[Array, "N d"],
    V: Float[Array, "nN d"],
) -> tuple[Float[Array, "N d"], Float[Array, "others d"]]:
    """`shares` of [φ, W0, V], in slices of d: the first N rows, in place of V's, and the others.

    V is read through the product alone, so that the compiler can let it lie where the gradient in
    W0 is to be.
    """
    N, d = W0.shape
    count = -(-d // _WIDTH)
    width, rest = d // count, d % count

    def fill(first, filled, width):
        V, others = filled
        cut = lambda x: jax.lax.dynamic_slice_in_dim(x, first, width, axis=1)
        put = lambda x, new: jax.lax.dynamic_update_slice(x, new, (0, first))
        new = shares @ jnp.concatenate([cut(features), cut(W0), cut(V)])
        return put(V, new[:N]), put(others, new[N:])

    filled = (V, jnp.zeros((len(shares) - N, d), V.dtype))
    filled = jax.lax.fori_loop(0, count, lambda i, x: fill(i * width, x, width), filled)
    V, others = fill(d - rest, filled, rest) if rest else filled
    return V[:N], others
