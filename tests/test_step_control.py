"""Steps are cut to where the solver damps the flow, and so the derivative of steps stays finite."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz import gradient_flow, linear_flow, runge_kutta
from comlnviz.adjoints import Checkpointed, ForwardSensitivity, GramAdjoint, Unrolled
from comlnviz.adjoints.base import head_field, head_mode
from comlnviz.curvature import largest_curvature
from comlnviz.integrator import Integrator, get_solver
from comlnviz.models import LinearHead
from comlnviz.models.linear_head import cross_entropy


def stiff_task(seed, ways=5, shots=5, d=32, scale=2.0, positive=True):
    """Examples of large norm, as an encoder without a normalization makes them."""
    rng = np.random.default_rng(seed)
    M = ways * shots
    labels = np.eye(ways)[np.arange(M) % ways]
    centres = rng.normal(size=(ways, d))
    draw = lambda: (centres[np.arange(M) % ways] + 1.5 * rng.normal(size=(M, d))) * scale
    support, queries = draw(), draw()
    if positive:
        support, queries = np.maximum(support, 0), np.maximum(queries, 0)
    W0 = rng.normal(size=(ways, d)) / np.sqrt(d)
    return W0, support, labels, queries


def meta_gradient(adjoint, tolerance, T, task, dtype=float, solver="dopri5"):
    W0, X, Y, Q = (jnp.asarray(x, dtype) for x in task)
    T = jnp.asarray(T, dtype)

    @jax.jit
    def gradients(W0, X, tolerance):
        def loss(W0, X):
            tolerances = dict(rtol=tolerance, atol=tolerance)
            solution = linear_flow(W0, X, Y, T, adjoint=adjoint, solver=solver, **tolerances)
            return cross_entropy(solution.params, (Q, Y))

        return jax.grad(loss, (0, 1))(W0, X)

    return np.concatenate([np.ravel(g) for g in gradients(W0, X, jnp.asarray(tolerance, dtype))])


# Without the cut: a thousand to a billion times the gradient.
@pytest.mark.parametrize(
    "task",
    [stiff_task(0), stiff_task(2, shots=4, ways=3, d=8, scale=3.0)],
    ids=["25 of 32", "12 of 8"],
)
def test_a_loose_tolerance_leaves_the_gradient_near(task):
    exact = meta_gradient(ForwardSensitivity(), 1e-7, 1000.0, task)
    loose = meta_gradient(GramAdjoint(), 1e-3, 1000.0, task)
    assert np.linalg.norm(loose - exact) < 0.3 * np.linalg.norm(exact)


@pytest.mark.parametrize("solver", ["heun", "dopri8"])
def test_other_solvers_in_float32(solver):
    task = stiff_task(2, shots=4, ways=3, d=8, scale=3.0)
    exact = meta_gradient(ForwardSensitivity(), 1e-7, 100.0, task)
    single = meta_gradient(GramAdjoint(), 1e-5, 100.0, task, jnp.float32, solver)
    assert np.linalg.norm(single - exact) < 0.02 * np.linalg.norm(exact)


# Without the cut: 2,400 times the gradient.
@pytest.mark.parametrize("adjoint", [Checkpointed(), Unrolled()], ids=["checkpointed", "unrolled"])
def test_the_flow_of_any_parameters_is_cut_as_well(adjoint):
    W0, X, Y, Q = (jnp.asarray(x) for x in stiff_task(0))

    @jax.jit
    @jax.grad
    def loose(W0):
        settings = dict(rtol=1e-3, atol=1e-3, adjoint=adjoint, max_steps=512)
        solution = gradient_flow(cross_entropy, W0, (X, Y), 20.0, throw=False, **settings)
        return cross_entropy(solution.params, (Q, Y))

    exact = meta_gradient(ForwardSensitivity(), 1e-7, 20.0, (W0, X, Y, Q))[: W0.size]
    assert np.linalg.norm(np.ravel(loose(W0)) - exact) < 0.3 * np.linalg.norm(exact)


def test_no_step_is_longer_than_the_solver_is_stable():
    W0, X, Y, _ = stiff_task(0, ways=2, shots=10, d=4, scale=4.0, positive=False)
    head = LinearHead.on(jnp.asarray(W0), jnp.asarray(X), jnp.asarray(Y), jnp.zeros(()))
    integrator = Integrator(get_solver("dopri5"), 1e-3, 1e-3, None, 4096)
    T = jnp.asarray(10.0)
    step = jax.jit(lambda state: integrator.step(head_field, state, head, T, head_mode))
    jacobian = jax.jit(jax.jacobian(head.vector_field))
    curvature = lambda s: max(abs(np.linalg.eigvals(jacobian(s).reshape(s.size, s.size))))

    state, lengths = integrator.init(head_field, head.start(), head, T, head_mode), []
    while not state.done:
        length, before = state.next_t - state.t, state
        state = step(state)
        if state.accepted:
            lengths += [length * curvature(before.y), length * curvature(state.y)]
    assert max(lengths) < 3.3066  # where Dopri5's stability ends
    assert max(lengths) > 0.6 * 3.3066  # and not shorter than they must be


@pytest.mark.parametrize(
    ("solver", "reach"),
    [("euler", 2), ("heun", 2), ("ralston", 2), ("bosh3", 2.5127), ("dopri5", 3.3066)],
)
def test_stability_along_the_negative_real_axis(solver, reach):
    # Hairer & Wanner, Solving ODEs II, IV.2: −2, −2.51 and −3.3.
    assert runge_kutta.stability(get_solver(solver)) == pytest.approx(reach, abs=2e-3)


def test_the_fastest_mode_is_the_jacobians_largest_eigenvalue():
    W0, X, Y, _ = stiff_task(3, ways=3, shots=2, d=5, scale=1.0)
    head = LinearHead.on(jnp.asarray(W0), jnp.asarray(X), jnp.asarray(Y), jnp.asarray(0.1))
    s = 0.01 * jnp.ones(Y.shape)
    jacobian = jax.jacobian(head.vector_field)(s).reshape(s.size, s.size)
    mode, curvature = head.fastest_mode(s)
    for _ in range(50):
        mode, curvature = head.fastest_mode(s, mode)
    largest = max(abs(np.linalg.eigvals(jacobian)))
    assert 0.99 * largest < curvature < (1 + 1e-9) * largest


def test_a_mode_that_becomes_the_largest_is_found_though_nothing_is_left_of_it():
    first, second = jnp.diag(jnp.asarray([1.0, 0.0])), jnp.diag(jnp.asarray([0.0, 3.0]))
    mode, _ = largest_curvature(lambda v: first @ v, jnp.zeros(2))
    for _ in range(3):
        mode, curvature = largest_curvature(lambda v: second @ v, jnp.zeros(2), mode)
    assert curvature == pytest.approx(3, rel=0.02)


def test_an_overflow_is_an_unknown_curvature():
    _, curvature = largest_curvature(lambda v: 1e200 * v, jnp.zeros(2))
    assert curvature == 0


def test_constant_and_implicit_steps_are_left_alone():
    constant = Integrator(diffrax.Euler(), None, None, 0.01, 100)
    implicit = Integrator(diffrax.Kvaerno5(), 1e-6, 1e-6, None, 100)
    assert type(constant._controller(head_mode)) is diffrax.ConstantStepSize
    assert type(implicit._controller(head_mode)) is diffrax.PIDController
