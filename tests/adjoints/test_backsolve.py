"""Backsolve: right where the backward solve is stable, and wrong in the way the book says."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from reference import error, rk4, task

from comlnviz import gradient_flow
from comlnviz.adjoints import Backsolve, Checkpointed
from comlnviz.models.linear_head import cross_entropy


def quadratic(u, data):
    H, b = data
    return u @ (H @ u) / 2 - b @ u


def curved(u, data):
    return jnp.sum(jnp.log(jnp.cosh(u - data)))


def gradients(loss, params, data, T, value, adjoint, tolerance=1e-6, **options):
    def outer(params, data, T):
        run = gradient_flow(
            loss, params, data, T, rtol=tolerance, atol=tolerance, adjoint=adjoint, **options
        )
        return value(run.params)

    return jax.jit(jax.grad(outer, (0, 1, 2)))(params, data, T)


def retrace_error(loss, params, data, T, tolerance):
    """How far the state, re-solved from T back to 0, ends from where it began."""
    options = {"rtol": tolerance, "atol": tolerance, "throw": False}
    end = gradient_flow(loss, params, data, T, **options).params
    uphill = lambda u, data: -loss(u, data)
    return error(gradient_flow(uphill, end, data, T, **options).params, params)


def test_equals_diffrax_and_the_reference_where_stable():
    u, data = jnp.array([1.0, -0.5, 2.0]), jnp.array([0.2, 0.1, -0.4])
    T = jnp.asarray(1.5)
    value = lambda u: jnp.sum(jnp.sin(u))
    got = gradients(curved, u, data, T, value, Backsolve(), 1e-9)

    def by_diffrax(u, data):
        field = lambda t, u, data: -jax.grad(curved)(u, data)
        controller = diffrax.PIDController(rtol=1e-9, atol=1e-9)
        sol = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Dopri5(),
            jnp.zeros_like(T),
            T,
            None,
            u,
            data,
            stepsize_controller=controller,
            adjoint=diffrax.BacksolveAdjoint(),
        )
        return value(sol.ys[-1])

    def by_reference(u, data, T):
        return value(rk4(lambda u: -jax.grad(curved)(u, data), u, T, 400))

    theirs = jax.jit(jax.grad(by_diffrax, (0, 1)))(u, data)
    want = jax.jit(jax.grad(by_reference, (0, 1, 2)))(u, data, T)
    for one, other in zip(got[:2], theirs, strict=True):
        assert error(one, other) < 1e-8
    for one, other in zip(got, want, strict=True):
        assert error(one, other) < 1e-7


def test_gradient_is_nan_when_the_backward_solve_fails():
    H = jnp.diag(jnp.array([1.0, 300.0]))
    u, b = jnp.array([1.0, 1.0]), jnp.array([0.5, 0.3])
    got = gradients(quadratic, u, (H, b), jnp.asarray(20.0), jnp.sum, Backsolve())
    assert np.isnan(got[0]).all()
    assert np.isnan(got[1][0]).all()
    # The same gradient is within reach of a method that does not go back.
    got = gradients(quadratic, u, (H, b), jnp.asarray(20.0), jnp.sum, Checkpointed())
    assert np.isfinite(got[0]).all()


def test_on_a_quadratic_the_gradient_is_right_though_the_trajectory_diverges():
    H = jnp.diag(jnp.array([0.1, 3.0]))
    u, b, T = jnp.array([1.0, 2.0]), jnp.array([0.5, 0.3]), jnp.asarray(10.0)
    value = lambda u: jnp.sum(u)
    got = gradients(quadratic, u, (H, b), T, value, Backsolve())[0]
    want = jnp.exp(-T * jnp.diag(H))
    assert retrace_error(quadratic, u, (H, b), T, 1e-6) > 1e3
    assert error(got, want) < 1e-4


def test_on_a_logistic_loss_the_gradient_is_wrong_by_less_than_the_path():
    W0, x, y, V = task(0, M=25, N=5, d=16)
    T = jnp.asarray(40.0)
    value = lambda W: reference.test_loss(W, V)
    got = gradients(cross_entropy, W0, (x, y), T, value, Backsolve(), 1e-5)[0]
    want = gradients(cross_entropy, W0, (x, y), T, value, Checkpointed(), 1e-9)[0]
    own = gradients(cross_entropy, W0, (x, y), T, value, Checkpointed(), 1e-5)[0]
    path = retrace_error(cross_entropy, W0, (x, y), T, 1e-5)
    wrong = error(got, want)
    assert wrong > 10 * error(own, want)
    assert 1e-4 < wrong < path / 3


def test_refuses_gradients_through_the_path():
    ts = jnp.array([0.5, 1.0])

    def value(u):
        run = gradient_flow(curved, u, jnp.zeros(2), 1.0, ts=ts, adjoint=Backsolve())
        return jnp.sum(run.path)

    with pytest.raises(Exception, match=r"Backsolve\(\) takes gradients through Solution.params"):
        jax.jit(jax.grad(value))(jnp.ones(2))
