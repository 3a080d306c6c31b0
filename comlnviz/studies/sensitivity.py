"""COMLN's sensitivities over time, put together and checked: what SensitivityExplorer shows."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..adjoints import GramAdjoint, Unrolled
from ..adjoints.forward_sensitivity import Sensitivities, dynamics, project
from ..data import load
from ..inner import gradient_flow, linear_flow
from ..integrator import Integrator
from ..models import LinearHead, cross_entropy
from ..tasks import FewShot
from .kept import kept
from .landscapes import drawn_digits
from .precision import in_float64

WAYS, SHOTS, SIZE = 3, 2, 8  # few enough that every entry can be seen: M = 6, N = 3, d = 8
TIMES = np.concatenate([[0.0], np.geomspace(0.01, 1000.0, 101)])
_TOLERANCE = 1e-8


class Record(eqx.Module):
    """The state of COMLN's Algorithm 2 at `TIMES`, and what follows from it.

    **Fields:**

    - `s`, `B`, `z`: the sensitivities, as in `comlnviz.adjoints.forward_sensitivity`.
    - `jacobian`: dW(t)/dW0 put together from B, its rows and columns the entries of W flattened.
    - `reference`: the same by automatic differentiation of the flow.
    - `jacobian_error`: the distance of the two, relative to the reference.
    - `projection_error`, `gram_error`: of dL_query/dW0 by Algorithms 3 and 4, and by `GramAdjoint`,
      relative to the reference's.
    - `labels`: the classes of the support set, in the order of its examples.
    """

    s: Float[Array, "n M N"]
    B: Float[Array, "n M M N N"]
    z: Float[Array, "n M M M N"]
    jacobian: Float[Array, "n P P"]
    reference: Float[Array, "n P P"]
    jacobian_error: Float[Array, " n"]
    projection_error: Float[Array, " n"]
    gram_error: Float[Array, " n"]
    labels: tuple[str, ...] = eqx.field(static=True)


@in_float64
def study(seed: int = 0) -> Record:
    """All of a 3-way 2-shot task of digits, embedded in 8 numbers, from W0 = 0.

    **Arguments:**

    - `seed`: which task.

    Source: COMLN (Deleu et al. 2022), Section 4, Propositions 1 to 6, Algorithms 2 to 4.
    """
    dataset = load("digits", split="test")
    _, task, classes = drawn_digits(FewShot(dataset, WAYS, SHOTS, 10), seed)
    names = tuple(dataset.names[c] for c in np.repeat(classes, SHOTS))
    # The last of the 33 features is the constant.
    cut = lambda features: jnp.asarray(np.asarray(features)[:, [*range(SIZE - 1), -1]])
    arrays = [(cut(features), labels) for features, labels in task]
    return Record(*_compute(*arrays), labels=names)


@kept
def _compute(support: tuple[Array, Array], query: tuple[Array, Array]) -> tuple[Array, ...]:
    (features, labels), ts = support, jnp.asarray(TIMES)
    T, W0 = ts[-1], jnp.zeros((WAYS, SIZE))
    head = LinearHead.on(W0, features, labels, jnp.zeros(()))
    integrator = Integrator(diffrax.Dopri5(), _TOLERANCE, _TOLERANCE, None, 4096)
    adjoint = diffrax.RecursiveCheckpointAdjoint()
    state = integrator.solve(dynamics, Sensitivities.start(head), head, T, ts, adjoint).path
    assert state is not None  # there are `ts`
    s, B, z = state.s, state.B, state.z
    # W = W0 − Σ s_i φ_iᵀ, and s depends on W0 through the logits of every example j.
    moved = jnp.einsum("ia,tijkl,jb->tkalb", features, B, features)
    size = W0.size
    jacobian = jnp.eye(size)[None] - moved.reshape(-1, size, size)
    settings: dict[str, Any] = dict(ts=ts, rtol=_TOLERANCE, atol=_TOLERANCE, throw=False)

    def by_autodiff(W0):
        return gradient_flow(cross_entropy, W0, support, T, adjoint=Unrolled(), **settings).path

    reference = jax.jacfwd(by_autodiff)(W0).reshape(-1, size, size)
    W = W0[None] - jnp.einsum("tmn,md->tnd", s, features)
    V = jax.vmap(lambda w: jax.grad(cross_entropy)(w, query))(W)
    exact = jnp.einsum("tp,tpq->tq", V.reshape(-1, size), reference)

    def projected(v, s, B, z):
        at = Sensitivities(s, B, z, jnp.zeros_like(s))
        return v + project(-features @ v.T, at, head).logits0.T @ features

    def by_gram(W0):
        return linear_flow(W0, *support, T, adjoint=GramAdjoint(), **settings).path

    _, pull = jax.vjp(by_gram, W0)
    one = lambda v, at: pull(jnp.zeros((len(TIMES), *v.shape)).at[at].set(v))[0]
    gram = jax.lax.map(lambda pair: one(*pair), (V, jnp.arange(len(TIMES))), batch_size=26)
    flat = lambda x: x.reshape(len(TIMES), -1)
    error = lambda found, true: (
        jnp.linalg.norm(flat(found) - flat(true), axis=1) / jnp.linalg.norm(flat(true), axis=1)
    )
    return (
        s, B, z, jacobian, reference, error(jacobian, reference),
        error(jax.vmap(projected)(V, s, B, z), exact), error(gram, exact),
    )  # fmt: skip


def sizes(M: int, N: int, d: int, checkpoints: int) -> dict[str, float]:
    """How many numbers each way keeps for the meta-gradient of one task.

    Plain forward sensitivity has a column for each entry of W0 and of the features; unrolled
    descent keeps W at every step, here 1,000 of them. The rest does not depend on d, and nothing
    but the second on T.

    Source: COMLN (Deleu et al. 2022), Table 1 and Section 4.2.
    """
    return {
        "plain": float(N * d) * (N * d + M * d),
        "unrolled": 1000.0 * N * d,
        "z": float(M**3 * N),
        "B": float(M * N) ** 2,
        "gram": float(M * N * checkpoints),
        "s": float(M * N),
    }
