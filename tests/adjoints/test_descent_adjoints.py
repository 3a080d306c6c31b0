"""The other adjoints of descent and of flows: Unrolled, Checkpointed, FirstOrder, Implicit."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from reference import error, rk4, task

from comlnviz import gradient_descent, gradient_flow
from comlnviz.adjoints import Backsolve, Checkpointed, FirstOrder, Implicit, StoredStates, Unrolled
from comlnviz.models.linear_head import cross_entropy

W0, X, Y, V = task(4, M=4, N=3, d=4, smooth=0.1)
STEPS = 9


def value_of(W):
    return jnp.sum(jnp.sin(W) * V)


def adam_by_hand(W, X, rate, b1, b2, steps):
    m, v = jnp.zeros_like(W), jnp.zeros_like(W)
    for k in range(1, steps + 1):
        g = jax.grad(cross_entropy)(W, (X, Y))
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        W = W - rate * (m / (1 - b1**k)) / (jnp.sqrt(v / (1 - b2**k)) + 1e-8)
    return W


def descend_adam(adjoint):
    def value(W, X, rate, b1, b2):
        optimizer = optax.adam(rate, b1, b2)
        run = gradient_descent(
            cross_entropy, W, (X, Y), STEPS, optimizer=optimizer, adjoint=adjoint, path=True
        )
        return value_of(run.params) + jnp.sum(run.path**2)

    return value


ADAM = (W0, X, 0.05, 0.9, 0.99)


def test_unrolled_gives_adams_settings_their_exact_gradients():
    """In the parameters, the data, the learning rate and both betas."""

    def value(W, X, rate, b1, b2):
        optimizer = optax.adam(rate, b1, b2)
        run = gradient_descent(
            cross_entropy, W, (X, Y), STEPS, optimizer=optimizer, adjoint=Unrolled()
        )
        return value_of(run.params)

    by_hand = lambda *inputs: value_of(adam_by_hand(*inputs, STEPS))
    got = jax.jit(jax.grad(value, tuple(range(5))))(*ADAM)
    want = jax.jit(jax.grad(by_hand, tuple(range(5))))(*ADAM)
    for one, other in zip(got, want, strict=True):
        assert error(one, other) < 1e-10


@pytest.mark.parametrize("checkpoints", [None, 2])
def test_checkpointed_equals_unrolled_in_descent(checkpoints):
    grads = lambda adjoint: jax.jit(jax.grad(descend_adam(adjoint), tuple(range(5))))(*ADAM)
    for one, other in zip(grads(Checkpointed(checkpoints)), grads(Unrolled()), strict=True):
        assert error(one, other) < 1e-12


def flow_value(adjoint):
    def value(W, X, T):
        ts = jnp.array([0.25, 0.5])
        run = gradient_flow(
            cross_entropy,
            W,
            (X, Y),
            T,
            ts=ts,
            rtol=1e-10,
            atol=1e-10,
            max_steps=64,
            adjoint=adjoint,
        )
        return value_of(run.params) + jnp.sum(jnp.cos(run.path))

    return value


def test_checkpointed_equals_unrolled_and_the_reference_on_a_flow():
    inputs = (W0, X, jnp.asarray(1.0))

    def by_reference(W, X, T):
        at = lambda t: rk4(lambda W: -jax.grad(cross_entropy)(W, (X, Y)), W, t, 200)
        return value_of(at(T)) + jnp.sum(jnp.cos(at(0.25))) + jnp.sum(jnp.cos(at(0.5)))

    grads = lambda value: jax.jit(jax.grad(value, (0, 1, 2)))(*inputs)
    checkpointed, unrolled = grads(flow_value(Checkpointed())), grads(flow_value(Unrolled()))
    want = grads(by_reference)
    for one, two, three in zip(checkpointed, unrolled, want, strict=True):
        assert error(one, two) < 1e-11
        assert error(one, three) < 1e-7


def test_unrolled_goes_forward_mode_too():
    primals, tangents = (W0, X, jnp.asarray(1.0)), (V, 2 * X, jnp.asarray(0.3))
    for value, primals, tangents in (
        (flow_value(Unrolled()), primals, tangents),
        (descend_adam(Unrolled()), ADAM, (V, X, 0.2, 0.1, -0.1)),
    ):
        slope = jax.jit(lambda p, t, f=value: jax.jvp(f, p, t)[1])(primals, tangents)
        gradient = jax.jit(jax.grad(value, tuple(range(len(primals)))))(*primals)
        want = sum(jnp.sum(g * t) for g, t in zip(gradient, tangents, strict=True))
        assert error(slope, want) < 1e-11


def test_first_order_takes_the_inner_gradients_for_constants():
    def value(W, X, rate):
        optimizer = optax.sgd(rate)
        run = gradient_descent(
            cross_entropy, W, (X, Y), STEPS, optimizer=optimizer, adjoint=FirstOrder()
        )
        return value_of(run.params), run.params

    gradient, end = jax.jit(jax.grad(value, (0, 1, 2), has_aux=True))(W0, X, 0.1)
    assert (
        error(
            end, gradient_descent(cross_entropy, W0, (X, Y), STEPS, optimizer=optax.sgd(0.1)).params
        )
        < 1e-14
    )
    assert error(gradient[0], jax.grad(value_of)(end)) < 1e-15
    assert not np.any(gradient[1])
    through_the_rate = jnp.sum(jax.grad(value_of)(end) * (end - W0)) / 0.1
    assert error(gradient[2], through_the_rate) < 1e-12


def test_implicit_refuses_gradients_through_the_path_and_stepwise_losses():
    def value(W):
        run = gradient_descent(cross_entropy, W, (X, Y), 3, path=True, adjoint=Implicit())
        return jnp.sum(run.path)

    with pytest.raises(Exception, match=r"through Solution.params only"):
        jax.jit(jax.grad(value))(W0)
    loss = lambda W, data, step: cross_entropy(W, data)
    with pytest.raises(ValueError, match="a stepwise loss has none: use"):
        gradient_descent(loss, W0, (X, Y), 3, stepwise=True, adjoint=Implicit())


def test_implicit_bears_directions_of_little_and_of_negative_curvature():
    """As a network's Hessian has them; conjugate gradients of two eigenvalues end in two steps."""
    curvature = jnp.resize(jnp.array([-2.0, 2.2], jnp.float32), 30_000)

    def value(u):
        loss = lambda u, _: jnp.sum(curvature * u**2) / 2
        run = gradient_descent(loss, u, None, 1, adjoint=Implicit(0.1, cg_steps=2))
        return jnp.sum(run.params)

    gradient = jax.grad(value)(jnp.ones(30_000, jnp.float32))
    np.testing.assert_allclose(gradient, 0.1 / (curvature + 0.1), rtol=3e-3)


def test_implicit_is_the_exact_gradient_of_the_converged_proximal_minimum():
    """In the initial parameters, the data, λ, and a weight that the loss closes over."""
    steps, rate = 300, 0.4

    def make_loss(weight):
        return lambda W, data: cross_entropy(W, data) + weight * jnp.sum(jnp.cosh(W))

    def value(W, X, lam, weight):
        run = gradient_descent(
            make_loss(weight),
            W,
            (X, Y),
            steps,
            optimizer=optax.sgd(rate),
            adjoint=Implicit(lam, cg_steps=40),
        )
        return value_of(run.params)

    def by_hand(W, X, lam, weight):
        loss = lambda u: make_loss(weight)(u, (X, Y)) + lam / 2 * jnp.sum((u - W) ** 2)
        step = lambda u, _: (u - rate * jax.grad(loss)(u), None)
        return value_of(jax.lax.scan(step, W, length=steps)[0])

    inputs = (W0, X, 0.8, 0.1)
    got = jax.jit(jax.value_and_grad(value, (0, 1, 2, 3)))(*inputs)
    want = jax.jit(jax.value_and_grad(by_hand, (0, 1, 2, 3)))(*inputs)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert error(one, other) < 1e-10


def test_implicit_refuses_a_weight_that_is_not_positive_and_a_search_of_no_steps():
    with pytest.raises(ValueError, match=r"proximal must be positive; got 0\."):
        Implicit(0.0)
    with pytest.raises(ValueError, match=r"cg_steps must be at least 1; got 0\."):
        Implicit(cg_steps=0)


FLOWS = [StoredStates(9), Checkpointed(), Unrolled(), Backsolve()]


@pytest.mark.parametrize("query", [jnp.array([0.0, 1.0, 0.0]), jnp.zeros(3)], ids=["some", "all"])
def test_implicit_solves_where_entries_of_the_query_gradient_are_zero(query):
    A = jnp.array([[2.0, 0.7, 0.0], [0.7, 1.0, 0.0], [0.0, 0.0, 0.5]])
    loss = lambda u, A: 0.5 * u @ A @ u
    run = lambda u0: gradient_descent(
        loss, u0, A, 500, optimizer=optax.sgd(0.2), adjoint=Implicit(1.5, cg_steps=10)
    )
    gradient = jax.grad(lambda u0: query @ run(u0).params)(jnp.ones(3))
    expected = 1.5 * jnp.linalg.solve(A + 1.5 * jnp.eye(3), query)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-14)


DESCENTS = [StoredStates(), Checkpointed(), Unrolled(), FirstOrder(), Implicit(1.0)]
name = lambda adjoint: type(adjoint).__name__


@pytest.mark.parametrize("adjoint", FLOWS, ids=name)
def test_no_adjoint_changes_what_a_flow_computes(adjoint):
    end = gradient_flow(cross_entropy, W0, (X, Y), 1.0, max_steps=64, adjoint=adjoint).params
    want = gradient_flow(cross_entropy, W0, (X, Y), 1.0, max_steps=64).params
    assert error(end, want) < 1e-14


@pytest.mark.parametrize("adjoint", FLOWS, ids=name)
def test_flow_gradients_at_python_floats_outside_jit_equal_those_under_jit(adjoint):
    def value(T, u, weight):
        loss = lambda u, _: weight * jnp.log(jnp.cosh(u))
        return gradient_flow(loss, u, None, T, max_steps=64, adjoint=adjoint).params

    gradient = jax.grad(value, (0, 1, 2))
    eager = gradient(0.5, 0.7, 1.5)
    assert all(float(g) != 0 for g in eager)
    assert error(eager, jax.jit(gradient)(0.5, 0.7, 1.5)) < 1e-12


@pytest.mark.parametrize("adjoint", DESCENTS, ids=name)
def test_descent_gradients_at_python_floats_outside_jit_equal_those_under_jit(adjoint):
    def value(u, weight, rate):
        loss = lambda u, _: weight * jnp.log(jnp.cosh(u))
        optimizer = optax.sgd(rate)
        return gradient_descent(loss, u, None, 4, optimizer=optimizer, adjoint=adjoint).params

    gradient = jax.grad(value, (0, 1, 2))
    eager, jitted = gradient(0.7, 1.5, 0.1), jax.jit(gradient)(0.7, 1.5, 0.1)
    assert float(eager[0]) != 0
    if not isinstance(adjoint, FirstOrder):
        assert float(eager[1]) != 0
    assert error(eager, jitted) < 1e-12


@pytest.mark.parametrize("lam", [0.5])
def test_implicit_at_a_python_float_outside_jit(lam):
    def value(lam):
        loss = lambda u, _: jnp.sum(jnp.log(jnp.cosh(u)))
        adjoint = Implicit(lam)
        optimizer = optax.sgd(0.2)
        run = gradient_descent(
            loss, jnp.array([1.0, 2.0]), None, 50, optimizer=optimizer, adjoint=adjoint
        )
        return jnp.sum(run.params)

    eager = jax.grad(value)(lam)
    assert float(eager) != 0
    assert error(eager, jax.jit(jax.grad(value))(lam)) < 1e-12
