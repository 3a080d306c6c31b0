"""`Integrator`: stepwise it is what it is at once, and its counts are true."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from reference import error

from comlnviz import gradient_descent, linear_flow
from comlnviz.descent import Descent
from comlnviz.integrator import Integrator, get_solver
from comlnviz.objective import Objective

T = jnp.asarray(3.0)
Y0 = jnp.array([1.0, -0.5])


def field(y, args):
    """A stiffening spiral; the sharp third term makes adaptive solvers reject steps."""
    turned = jnp.stack([-y[1], y[0]])
    return args * turned - y + 3 * jnp.tanh(40 * (y[0] - 0.3)) * jnp.array([0.0, 1.0])


SOLVERS = [
    ("dopri5", 1e-6, None),
    ("tsit5", 1e-5, 0.3),
    ("euler", None, 0.07),
    ("kvaerno5", 1e-4, None),
]


def test_a_step_whose_equations_have_no_root_is_not_ok_as_in_a_solve():
    # Unsolvable at once: the implicit stage is NaN wherever it looks.
    broken = lambda y, args: jnp.where(y > 0, jnp.nan, -y)
    solver = diffrax.ImplicitEuler(root_finder=diffrax.VeryChord(rtol=1e-6, atol=1e-6))
    integrator = Integrator(solver, None, None, 0.1, 100)
    y0, end = jnp.array([1.0]), jnp.asarray(1.0)
    state = integrator.init(broken, y0, None, end)
    assert state.ok
    assert not integrator.step(broken, state, None, end).ok
    assert not integrator.solve(broken, y0, None, end, None, diffrax.DirectAdjoint()).ok


@pytest.mark.parametrize("name, tolerance, dt0", SOLVERS, ids=[s[0] for s in SOLVERS])
def test_init_and_step_are_the_accepted_steps_of_diffrax(name, tolerance, dt0):
    integrator = Integrator(get_solver(name), tolerance, tolerance, dt0, 1000)
    args = jnp.asarray(2.0)
    step = jax.jit(lambda state: integrator.step(field, state, args, T))
    state = jax.jit(lambda: integrator.init(field, Y0, args, T))()
    times, states, attempts = [], [], 0
    while not state.done:
        state = step(state)
        attempts += 1
        if state.accepted:
            times.append(float(state.t))
            states.append(np.asarray(state.y))

    if tolerance is None:
        solver, controller = get_solver(name), diffrax.ConstantStepSize()
    else:
        controller = diffrax.PIDController(rtol=tolerance, atol=tolerance)
        solver = get_solver(name)  # Diffrax hands an implicit one the tolerances itself
    sol = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: field(y, args)),
        solver,
        jnp.zeros_like(T),
        T,
        dt0 or 0.01,
        Y0,
        args,
        saveat=diffrax.SaveAt(steps=True),
        stepsize_controller=controller,
        max_steps=1000,
    )
    n = int(sol.stats["num_accepted_steps"])
    assert attempts == sol.stats["num_steps"]
    assert len(times) == n
    if tolerance is not None:
        assert attempts > n  # some were rejected, or this would prove little
    assert times[-1] == T
    # The sums are taken in another order. An error estimate is a small difference of stages, so
    # their last digits are among the first of the next step's length; the sharp term magnifies.
    tight = {"euler": 1e-13, "dopri5": 1e-9, "tsit5": 1e-5, "kvaerno5": 1e-9}[name]
    np.testing.assert_allclose(times, sol.ts[:n], rtol=tight, atol=0)
    np.testing.assert_allclose(states, sol.ys[:n], rtol=tight, atol=tight)

    run = integrator.solve(field, Y0, args, T, None, diffrax.RecursiveCheckpointAdjoint())
    np.testing.assert_allclose(run.final, states[-1], rtol=tight, atol=tight)
    assert run.stats["num_steps"] == attempts
    assert run.stats["num_accepted_steps"] == n
    assert run.stats["num_rejected_steps"] == attempts - n
    assert run.stats["final_time"] == T
    assert run.ok


COUNTS = [
    (name, tolerance, dt0)
    for name in ("euler", "heun", "tsit5", "dopri5", "dopri8")
    for tolerance, dt0 in ((1e-4, None), (1e-4, 0.1), (None, 0.1))
    if not (name == "euler" and tolerance is not None)
]


@pytest.mark.parametrize("name, tolerance, dt0", COUNTS)
def test_evaluations_are_truly_counted(name, tolerance, dt0):
    seen = []

    def counted(y, args):
        jax.debug.callback(lambda: seen.append(1))
        return field(y, args)

    integrator = Integrator(get_solver(name), tolerance, tolerance, dt0, 1000)
    adjoint = diffrax.RecursiveCheckpointAdjoint()
    run = integrator.solve(counted, Y0, jnp.asarray(2.0), T, None, adjoint)
    jax.block_until_ready(run.final)
    jax.effects_barrier()
    assert len(seen) == run.stats["num_gradient_evaluations"]


def test_a_walk_ends_where_the_state_is_not_finite_any_more():
    integrator = Integrator(get_solver("euler"), None, None, 1.0, 10_000)
    run, _ = integrator.walk(lambda y, a: a * y, jnp.ones(()), -1e3, jnp.asarray(5000.0))
    assert not run.ok
    assert run.stats["num_steps"] == 103  # 999¹⁰³ is beyond the largest number of 64 bits
    assert error(run.stats["final_time"], 103.0) < 1e-12


def test_a_solve_compiles_to_a_program_that_JAX_can_keep():
    """One that calls back to Python it would not."""
    ts = jnp.array([0.1, 0.5])

    def run(T, dt0):
        integrator = Integrator(get_solver("dopri5"), 1e-4, 1e-4, dt0, 1000)
        return integrator.solve(field, Y0, 2.0, T, ts * T, diffrax.RecursiveCheckpointAdjoint())

    assert "callback" not in jax.jit(run).lower(1.0, 0.1).as_text()
    checked = jax.jit(lambda x: eqx.error_if(x, x < 0, "negative"))
    assert "callback" in checked.lower(1.0).as_text()  # elsewhere errors are told as ever


def test_implicit_solvers_have_no_count():
    integrator = Integrator(get_solver("kvaerno3"), 1e-4, 1e-4, None, 1000)
    adjoint = diffrax.RecursiveCheckpointAdjoint()
    run = integrator.solve(field, Y0, jnp.asarray(2.0), T, None, adjoint)
    assert run.ok
    assert run.stats["num_gradient_evaluations"] is None


def test_tolerances_and_first_step_may_be_traced():
    traces = []

    @jax.jit
    def run(tolerance, dt0):
        traces.append(1)
        integrator = Integrator(get_solver("dopri5"), tolerance, tolerance, dt0, 1000)
        adjoint = diffrax.RecursiveCheckpointAdjoint()
        return integrator.solve(field, Y0, jnp.asarray(2.0), T, None, adjoint).final

    fine = run(1e-10, 0.1)
    coarse = run(1e-3, 0.2)
    assert len(traces) == 1
    assert 1e-9 < error(coarse, fine) < 1


@pytest.mark.parametrize("optimizer", [optax.sgd(0.1), optax.adam(0.1)], ids=["sgd", "adam"])
def test_descent_stepwise_is_gradient_descents_path(optimizer):
    from comlnviz.adjoints import Unrolled

    loss = lambda u, data: jnp.sum(jnp.log(jnp.cosh(u - data)))
    data = jnp.array([0.3, -1.0])
    run = gradient_descent(loss, Y0, data, 8, optimizer=optimizer, path=True, adjoint=Unrolled())
    descent = Descent(Objective.of(loss, Y0, data), optimizer)
    state = descent.init(Y0)
    states = [state[0]]
    for _ in range(8):
        state = descent.step(state)
        states.append(state[0])
    np.testing.assert_allclose(run.path, states, rtol=1e-14, atol=1e-14)
    np.testing.assert_array_equal(run.path[-1], run.params)


def test_an_implicit_solver_for_many_numbers_is_warned_of():
    """A 5-way 5-shot task has 125; fewer, as of five shots of two classes, are nobody's concern."""
    follow = lambda ways: linear_flow(
        jnp.zeros((ways, 3)), jnp.ones((5 * ways, 3)), jnp.repeat(jnp.eye(ways), 5, axis=0), 0.1,
        solver="kvaerno3",
    )  # fmt: skip
    assert follow(2).ok
    with pytest.warns(UserWarning, match=r"Kvaerno3 is implicit: .* matrix of 125 × 125 numbers"):
        follow(5)
