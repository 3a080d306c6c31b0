"""COMLN's algorithm: integrate the sensitivities forward, together with the flow.

Forward and backward stand together here. Letters follow the paper: s (M,N), B (M,M,N,N),
z (M,M,M,N); r (M,N) is ours, the sensitivity to the proximal weight λ.
"""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..integrator import Integrator
from ..models import LinearHead
from .base import AbstractLinearAdjoint, head_field, head_mode


class Sensitivities(eqx.Module):
    """s and its derivatives.

    B[i,j] = ∂s_i/∂(logits0)_j,  z[i,j,m] = ∂s_i/∂G_jm + ∂s_i/∂G_mj,  r[i] = ∂s_i/∂λ.
    """

    s: Float[Array, "*n M N"]
    B: Float[Array, "*n M M N N"]
    z: Float[Array, "*n M M M N"]
    r: Float[Array, "*n M N"]

    @classmethod
    def start(cls, head: LinearHead) -> "Sensitivities":
        """All start at zero."""
        M, N = head.labels.shape
        zeros = lambda *shape: jnp.zeros(shape, head.gram.dtype)
        return cls(zeros(M, N), zeros(M, M, N, N), zeros(M, M, M, N), zeros(M, N))


def dynamics(state: Sensitivities, head: LinearHead) -> Sensitivities:
    """d(s, B, z, r)/dt: Algorithm 2 of COMLN, with the proximal term of Propositions 1 to 3.

    The printed z-equation has λ inside A_i; it stands outside, as for s and B.
    """
    G, lam = head.gram, head.proximal
    A = head.curvature(state.s)
    M = G.shape[0]
    i = jnp.arange(M)
    # Proposition 2: 1(i=j)A_i − A_i Σ_m G[i,m] B[m,j] − λB[i,j]
    inner = -jnp.einsum("im,mjnl->ijnl", G, state.B)
    inner = inner.at[i, i].add(jnp.eye(A.shape[-1], dtype=G.dtype))
    dB = jnp.einsum("ikn,ijnl->ijkl", A, inner) - lam * state.B
    # Proposition 3: −A_i ( 1(i=j)s_m + 1(i=m)s_j + Σ_k G[i,k] z[k,j,m] ) − λz[i,j,m]
    inner = jnp.einsum("ik,kjmn->ijmn", G, state.z)
    inner = inner.at[i, i].add(state.s)
    inner = inner.at[i, :, i].add(state.s)
    dz = -jnp.einsum("ikn,ijmn->ijmk", A, inner) - lam * state.z
    dr = -state.s - jnp.einsum("ikn,in->ik", A, G @ state.r) - lam * state.r
    return Sensitivities(head.vector_field(state.s), dB, dz, dr)


def project(s_bar: Float[Array, "*n M N"], at: Sensitivities, head: LinearHead) -> LinearHead:
    """The cotangent of the head from that of s: Σ_i of s̄_i into B, z and r.

    With s̄_i = −Vφ_i these are the C and D of Algorithms 3 and 4: logits0 receives −C and the Gram
    matrix −D/2, and differentiating φW0ᵀ and φφᵀ completes Propositions 5 and 6.
    """
    return LinearHead(
        gram=jnp.einsum("...ik,...ijmk->jm", s_bar, at.z) / 2,
        logits0=jnp.einsum("...ik,...ijkl->jl", s_bar, at.B),
        labels=jnp.zeros_like(head.labels),
        proximal=jnp.sum(s_bar * at.r),
    )


class ForwardSensitivity(AbstractLinearAdjoint):
    """Integrate (s, B, z) forward once; the meta-gradient is then a projection, no solve.

    Exact for the flow, and with `Euler` exactly the gradient of ANIL. Without differentiation only
    s is integrated. Stable where solving backward is not (COMLN, Appendix D).

    Memory: M²N² + M³N numbers, independent of T and of d. Gives no gradient in the labels.

    Source: COMLN (Deleu et al. 2022), Section 4, Algorithms 1 to 4, Propositions 1 to 6.
    """

    def solve_linear(self, head, T, ts, integrator):
        """See `AbstractLinearAdjoint`."""
        return _solve(head, T=T, ts=ts, integrator=integrator)


def _integrate_s(head, T, ts, integrator):
    adjoint = diffrax.RecursiveCheckpointAdjoint()
    return integrator.solve(head_field, head.start(), head, T, ts, adjoint, head_mode)


@eqx.filter_custom_vjp
def _solve(head: LinearHead, *, T, ts, integrator: Integrator):
    return _integrate_s(head, T, ts, integrator)


@_solve.def_fwd
def _forward(perturbed, head, *, T, ts, integrator):
    if perturbed.labels:
        raise ValueError(
            "ForwardSensitivity() gives no gradient with respect to labels: use GramAdjoint()."
        )
    # The sensitivities are linear in themselves, with the modes of s.
    fastest = lambda state, head, mode: head_mode(state.s, head, mode)
    adjoint = diffrax.RecursiveCheckpointAdjoint()
    run = integrator.solve(dynamics, Sensitivities.start(head), head, T, ts, adjoint, fastest)
    pieces = (run.final, run.states)
    run = eqx.tree_at(
        lambda r: (r.final, r.states),
        run,
        (run.final.s, None if run.states is None else run.states.s),
        is_leaf=lambda x: x is None or isinstance(x, Sensitivities),
    )
    return run, pieces


@_solve.def_bwd
def _backward(pieces, cotangent, perturbed, head, *, T, ts, integrator):
    final, states = pieces
    head_bar = jax.tree.map(jnp.zeros_like, head)
    for s_bar, at in ((cotangent.final, final), (cotangent.states, states)):
        if s_bar is not None and at is not None:
            head_bar = jax.tree.map(jnp.add, head_bar, project(s_bar, at, head))
    return head_bar
