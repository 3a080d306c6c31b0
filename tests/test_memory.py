"""What a meta-gradient needs beside its inputs and outputs, as XLA has planned it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz import linear_flow
from comlnviz.adjoints import ForwardSensitivity, GramAdjoint

M, N = 25, 5
ADJOINTS = pytest.mark.parametrize(
    "adjoint", [GramAdjoint(), ForwardSensitivity()], ids=["gram", "forward"]
)


def compiled(adjoint, d):
    def value(W0, features, T, labels, V):
        options = dict(rtol=1e-6, atol=1e-6, adjoint=adjoint, throw=False)
        return jnp.sum(linear_flow(W0, features, labels, T, **options).params * V)

    gradient = jax.value_and_grad(value, argnums=(0, 1, 2))
    shapes = [(N, d), (M, d), (), (M, N), (N, d)]
    inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.jit(gradient).lower(*inputs).compile(), 4 * d * (2 * N + M)


@ADJOINTS
def test_temporary_memory_is_independent_of_T_and_of_d_beyond_the_inputs(adjoint):
    (small, small_inputs), (large, large_inputs) = (compiled(adjoint, d) for d in (16, 4096))
    grown = large.memory_analysis().temp_size_in_bytes - small.memory_analysis().temp_size_in_bytes
    # Products such as W0 − sᵀφ have the size of an input; nothing else may grow with d.
    assert grown <= 4 * (large_inputs - small_inputs)
    numbers = M * N if isinstance(adjoint, GramAdjoint) else M**2 * N**2 + M**3 * N
    assert small.memory_analysis().temp_size_in_bytes < 4 * numbers * 500 + 2**20
    # One program, its memory planned ahead, serves every T.
    rng = np.random.default_rng(0)
    W0, features, V = (rng.normal(size=s).astype("f") / 4 for s in ((N, 16), (M, 16), (N, 16)))
    labels = np.eye(N, dtype="f")[np.arange(M) % N]
    for T in (1.0, 1e2, 1e4) if isinstance(adjoint, GramAdjoint) else (1.0, 1e2):
        value, gradients = small(W0, features, np.float32(T), labels, V)
        assert np.isfinite(value)
        assert all(np.isfinite(g).all() for g in gradients)
