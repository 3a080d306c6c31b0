"""Independent references: nothing here comes from comlnviz.

Losses are written with a plain softmax on the full W; flows are stepped by a fixed-step RK4 in a
`scan`, and differentiated by JAX through it.
"""

import jax
import jax.numpy as jnp
import numpy as np


def inner_loss(W, W0, features, labels, proximal):
    """Mean cross-entropy of a linear classifier plus the proximal term, in the plainest words."""
    p = jnp.exp(features @ W.T)
    p = p / jnp.sum(p, axis=1, keepdims=True)
    return -jnp.mean(jnp.sum(labels * jnp.log(p), axis=1)) + proximal / 2 * jnp.sum((W - W0) ** 2)


def rk4(field, y0, T, n):
    """`y(T)` of dy/dt = field(y), by n equal steps of the classical Runge-Kutta method."""
    h = T / n
    add = lambda y, c, k: jax.tree.map(lambda a, b: a + c * b, y, k)

    def step(y, _):
        k1 = field(y)
        k2 = field(add(y, h / 2, k1))
        k3 = field(add(y, h / 2, k2))
        k4 = field(add(y, h, k3))
        for c, k in zip((1, 2, 2, 1), (k1, k2, k3, k4), strict=True):
            y = add(y, c * h / 6, k)
        return y, None

    return jax.lax.scan(step, y0, length=n)[0]


def flow(W0, features, labels, T, proximal=0.0, n=400):
    """W(T) of the flow of `inner_loss`, in the full space of W."""
    gradient = jax.grad(inner_loss)
    return rk4(lambda W: -gradient(W, W0, features, labels, proximal), W0, T, n)


def descent(W0, features, labels, step_size, steps, proximal=0.0):
    """W after `steps` plain gradient steps: the inner loop of ANIL."""
    W = W0
    for _ in range(steps):
        W = W - step_size * jax.grad(inner_loss)(W, W0, features, labels, proximal)
    return W


def task(seed=0, M=4, N=3, d=5, smooth=0.0, scale=1.0, dtype=np.float64):
    """A random task: W0, features, labels, and the weights of a linear test loss."""
    rng = np.random.default_rng(seed)
    labels = np.eye(N)[np.arange(M) % N] * (1 - smooth) + smooth / N
    W0, features, V = (rng.normal(size=s) for s in ((N, d), (M, d), (N, d)))
    return tuple(jnp.asarray(x, dtype) for x in (W0 / 2, scale * features, labels, V))


def test_loss(W, V):
    """A curved loss of the adapted parameters, so that its derivative moves with them."""
    return jnp.sum(jnp.sin(W) * V)


test_loss.__test__ = False


def error(tree, reference):
    """The norm of the difference, relative to that of the reference, over all leaves."""
    flat = lambda t: np.concatenate(
        [np.ravel(np.asarray(x, np.float64)) for x in jax.tree.leaves(t)]
    )
    a, b = flat(tree), flat(reference)
    assert a.shape == b.shape
    assert np.linalg.norm(b) > 0
    return np.linalg.norm(a - b) / np.linalg.norm(b)
