"""COMLN, Appendix D: integrating forward is stable; the same problem integrated backward is not."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import error, task

from comlnviz import gradient_flow, linear_flow
from comlnviz.adjoints.forward_sensitivity import Sensitivities, dynamics
from comlnviz.integrator import Integrator
from comlnviz.models.linear_head import LinearHead, cross_entropy

W0, X, Y, V = task(0, M=6, N=3, d=4, smooth=0.2)
TS = jnp.linspace(0, 40, 21)
TOLERANCE = 1e-9


@jax.jit
def weights(W0, proximal=0.0):
    run = linear_flow(W0, X, Y, TS[-1], proximal=proximal, ts=TS, rtol=TOLERANCE, atol=TOLERANCE)
    return run.path


@jax.jit
def pieces(start, T, proximal=0.0, ts=TS):
    head = LinearHead.on(W0, X, Y, jnp.asarray(proximal))
    integrator = Integrator(diffrax.Dopri5(), TOLERANCE, TOLERANCE, None, 4096)
    adjoint = diffrax.RecursiveCheckpointAdjoint()
    return integrator.solve(dynamics, start, head, T, ts, adjoint).path


START = Sensitivities.start(LinearHead.on(W0, X, Y, jnp.asarray(0.0)))


def jacobian(B):
    """dW/dW0 at each time, as (Nd × Nd) matrices (Proposition 2)."""
    n = V.size
    grown = jnp.einsum("tijkl,ix,jy->tkxly", B, X, X).reshape(len(B), n, n)
    return np.eye(n)[None] - grown


def not_growing(norms):
    assert (np.diff(norms) <= 1e-6 * norms[0]).all(), norms


@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("proximal", [0.0, 0.3])
def test_propositions_7_and_10_two_trajectories_never_part(size, proximal):
    # With λ the proximal term pulls each to its own W0, so both share that of the first.
    def field_of(W):
        loss = lambda W, data: cross_entropy(W, data) + proximal / 2 * jnp.sum((W - W0) ** 2)
        return gradient_flow(loss, W, (X, Y), TS[-1], ts=TS, rtol=TOLERANCE, atol=TOLERANCE).path

    one, other = jax.jit(lambda: (field_of(W0), field_of(W0 + size * V)))()
    distances = np.linalg.norm(np.reshape(other - one, (len(TS), -1)), axis=1)
    assert distances[0] > 0
    not_growing(distances)


def test_proposition_8_a_perturbed_sensitivity_never_parts_from_the_true_one():
    """S obeys a linear equation whose matrix −∇²L(W(t)) changes with time."""
    rng = np.random.default_rng(0)
    moved = jnp.asarray(rng.normal(size=START.B.shape))
    perturbed = Sensitivities(START.s, START.B + moved, START.z, START.r)
    one, other = pieces(START, TS[-1]), pieces(perturbed, TS[-1])
    distances = np.linalg.norm(jacobian(other.B) - jacobian(one.B), axis=(1, 2))
    assert distances[0] > 1
    not_growing(distances)


def test_proposition_9_the_solution_does_not_depend_on_the_solver():
    ends = [
        linear_flow(W0, X, Y, 40.0, solver=name, rtol=1e-10, atol=1e-10).params
        for name in ("dopri5", "dopri8", "kvaerno5")
    ]
    assert error(ends[1], ends[0]) < 1e-8
    assert error(ends[2], ends[0]) < 1e-7


def test_corollary_1_the_jacobian_never_grows():
    S = jacobian(pieces(START, TS[-1]).B)
    norms = np.linalg.norm(S, ord=2, axis=(1, 2))
    assert norms[0] == 1
    not_growing(norms)
    not_growing(np.linalg.norm(S, axis=(1, 2)))


def test_proposition_11_state_and_sensitivities_stay_bounded_and_settle():
    """With λ > 0 the minimum is unique and dW*/dW0 finite."""
    T = jnp.asarray(2000.0)
    ts = jnp.array([100.0, 200.0, 1000.0, 2000.0])
    at = pieces(START, T, 0.3, ts)
    for leaf in jax.tree.leaves(at):
        assert np.isfinite(leaf).all()
        np.testing.assert_allclose(leaf[1:], leaf[:-1], atol=1e-6)
    loss = lambda W: cross_entropy(W, (X, Y)) + 0.15 * jnp.sum((W - W0) ** 2)
    W = W0 - at.s[-1].T @ X
    assert np.linalg.norm(jax.grad(loss)(W)) < 1e-7
    H = jax.hessian(loss)(W).reshape(V.size, V.size)
    assert error(jacobian(at.B)[-1], 0.3 * np.linalg.inv(H)) < 1e-6


def test_the_backward_trajectory_of_the_same_problem_diverges():
    T = TS[-1]
    end = weights(W0)[-1]

    @jax.jit
    def back(end):
        uphill = lambda W, data: -cross_entropy(W, data)
        return gradient_flow(uphill, end, (X, Y), T, rtol=1e-6, atol=1e-6, throw=False).params

    returned, nearby = back(end), back(end + 1e-6 * V)
    assert error(returned, W0) > 1e-2
    assert np.linalg.norm(nearby - returned) > 1e3 * 1e-6 * np.linalg.norm(V)
    # Forward, the same perturbation of the start has not grown at all.
    assert np.linalg.norm(weights(W0 + 1e-6 * V)[-1] - end) < 1e-6 * np.linalg.norm(V)
