"""What a meta-gradient needs beside its inputs and outputs, as XLA has planned it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz import linear_flow
from comlnviz.adjoints import ForwardSensitivity, GramAdjoint
from comlnviz.models import cross_entropy

M, N = 25, 5
ADJOINTS = pytest.mark.parametrize(
    "adjoint", [GramAdjoint(), ForwardSensitivity()], ids=["gram", "forward"]
)


def compiled(adjoint, d):
    def value(W0, features, T, labels, queries):
        options = dict(rtol=1e-6, atol=1e-6, adjoint=adjoint, throw=False)
        W = linear_flow(W0, features, labels, T, **options).params
        return cross_entropy(W, (queries, labels))

    gradient = jax.value_and_grad(value, argnums=(0, 1, 2))
    shapes = [(N, d), (M, d), (), (M, N), (M, d)]
    inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.jit(gradient).lower(*inputs).compile()


@ADJOINTS
def test_temporary_memory_is_independent_of_T_and_of_d_beyond_the_inputs(adjoint):
    sizes = (512, 8192)
    small, large = (compiled(adjoint, d) for d in sizes)
    grown = large.memory_analysis().temp_size_in_bytes - small.memory_analysis().temp_size_in_bytes
    # W(T) and its cotangent lie where the gradients in features and W0 are to be.
    assert grown <= 1024
    numbers = M * N if isinstance(adjoint, GramAdjoint) else M**2 * N**2 + M**3 * N
    assert small.memory_analysis().temp_size_in_bytes < 4 * numbers * 500 + 2**20
    # One program, its memory planned ahead, serves every T.
    rng = np.random.default_rng(0)
    shapes = ((N, sizes[0]), (M, sizes[0]), (M, sizes[0]))
    W0, features, queries = (rng.normal(size=s).astype("f") / 20 for s in shapes)
    labels = np.eye(N, dtype="f")[np.arange(M) % N]
    for T in (1.0, 1e2, 1e4) if isinstance(adjoint, GramAdjoint) else (1.0, 1e2):
        value, gradients = small(W0, features, np.float32(T), labels, queries)
        assert np.isfinite(value)
        assert all(np.isfinite(g).all() for g in gradients)
