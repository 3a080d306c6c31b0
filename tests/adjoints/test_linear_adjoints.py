"""Both adjoints of `linear_flow` against reverse mode through an independent W-space solve."""

import jax
import jax.numpy as jnp
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import error, task

from comlnviz import linear_flow
from comlnviz.adjoints import ForwardSensitivity, GramAdjoint

ADJOINTS = pytest.mark.parametrize(
    "adjoint", [GramAdjoint(), ForwardSensitivity()], ids=["gram", "forward"]
)


@jax.jit
def reference_gradients(W0, features, labels, T, proximal, V):
    value = lambda *a: reference.test_loss(reference.flow(a[0], a[1], labels, a[2], a[3]), V)
    return jax.value_and_grad(value, argnums=(0, 1, 2, 3))(W0, features, T, proximal)


def make_gradients(adjoint, solver="dopri5"):
    @jax.jit
    def gradients(W0, features, labels, T, proximal, V, tolerance):
        def value(W0, features, T, proximal):
            solution = linear_flow(
                W0,
                features,
                labels,
                T,
                proximal=proximal,
                solver=solver,
                rtol=tolerance,
                atol=tolerance,
                adjoint=adjoint,
            )
            return reference.test_loss(solution.params, V)

        return jax.value_and_grad(value, argnums=(0, 1, 2, 3))(W0, features, T, proximal)

    return gradients


GRADIENTS = {GramAdjoint: make_gradients(GramAdjoint())} | {
    ForwardSensitivity: make_gradients(ForwardSensitivity())
}


@ADJOINTS
@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    shape=st.sampled_from([(4, 3, 5), (1, 2, 1), (5, 2, 3)]),
    T=st.floats(0.01, 6),
    proximal=st.floats(0, 2),
    smooth=st.sampled_from([0.0, 0.1, 0.6]),
    seed=st.integers(0, 100),
)
def test_meta_gradients_equal_reverse_mode_through_a_fine_solve(
    adjoint, shape, T, proximal, smooth, seed
):
    W0, features, labels, V = task(seed, *shape, smooth=smooth)
    got = GRADIENTS[type(adjoint)](W0, features, labels, T, proximal, V, 1e-10)
    want = reference_gradients(W0, features, labels, T, proximal, V)
    assert error(got[0], want[0]) < 1e-6
    for one, other in zip(got[1], want[1], strict=True):
        if jnp.linalg.norm(other) > 1e-3:  # a relative error means nothing at zero
            assert error(one, other) < 1e-6


@ADJOINTS
@pytest.mark.parametrize("argument", range(4), ids=["W0", "features", "T", "proximal"])
def test_error_falls_with_the_tolerance(adjoint, argument):
    *inputs, V = task(3, smooth=0.1)
    T, proximal = 3.0, 0.3
    want = reference_gradients(*inputs, T, proximal, V)[1][argument]
    errors = [
        error(GRADIENTS[type(adjoint)](*inputs, T, proximal, V, tol)[1][argument], want)
        for tol in (1e-4, 1e-7, 1e-10)
    ]
    assert errors[0] < 1e-2
    assert errors[1] < errors[0] / 10
    assert errors[2] < errors[1] / 10
    assert errors[2] < 1e-8


@pytest.mark.parametrize("solver, step", [("dopri5", None), ("euler", 0.0125), ("heun", 0.0125)])
@pytest.mark.parametrize("checkpoints", [None, 50])
def test_gram_adjoint_with_few_states_kept_is_the_same(checkpoints, solver, step):
    W0, features, labels, V = task(4)
    tolerance = 1e-8 if step is None else None

    def value(W0, features, T, adjoint):
        solution = linear_flow(
            W0, features, labels, T, solver=solver, rtol=tolerance, atol=tolerance, dt0=step,
            max_steps=300, adjoint=adjoint, throw=False,
        )  # fmt: skip
        return reference.test_loss(solution.params, V)

    # A batch whose tasks take up to 242 steps, the last of them cut short; at least 32 are kept.
    T = jnp.array([0.03, 0.31, 3.02])
    grads = lambda adjoint: jax.jit(
        jax.vmap(jax.grad(lambda *a: value(*a, adjoint), argnums=(0, 1, 2)), (None, None, 0))
    )(W0, features, T)
    for one, other in zip(grads(GramAdjoint(checkpoints)), grads(GramAdjoint(512)), strict=True):
        assert error(one, other) < 1e-13
    # One by one, and through Diffrax's loop, which takes over where a path is asked for.
    ts = lambda T: T * jnp.ones(1)
    for i, length in enumerate(T):
        through_diffrax = jax.grad(
            lambda W0: reference.test_loss(
                linear_flow(
                    W0, features, labels, length, solver=solver, rtol=tolerance, atol=tolerance,
                    dt0=step, ts=ts(length), max_steps=300,
                ).params,
                V,
            )
        )(W0)  # fmt: skip
        assert error(grads(GramAdjoint(checkpoints))[0][i], through_diffrax) < 1e-9


def test_gram_adjoint_bears_gradients_in_nothing_but_the_statistics():
    W0, features, labels, _ = task(4)
    reached = lambda W0: linear_flow(W0, features, labels, 0.5).stats["final_time"]
    assert not jnp.any(jax.grad(reached)(W0))


@ADJOINTS
def test_a_gradient_in_the_solvers_step_is_refused(adjoint):
    W0, features, labels, V = task(4)

    def value(dt0):
        run = linear_flow(W0, features, labels, 0.5, solver="euler", rtol=None, atol=None, dt0=dt0,
                          adjoint=adjoint)  # fmt: skip
        return reference.test_loss(run.params, V)

    with pytest.raises(RuntimeError, match="rtol, atol and dt0 have no gradient"):
        jax.grad(value)(0.0125)


def test_gram_adjoint_asks_for_at_least_one_state():
    with pytest.raises(ValueError, match="checkpoints must be at least 1; got 0"):
        GramAdjoint(0)


@pytest.mark.parametrize("max_steps", [8, 16, 17])
def test_gram_adjoint_bears_a_solve_that_takes_all_its_steps(max_steps):
    W0, features, labels, V = task(4)

    def value(W0, features, adjoint):
        options = dict(solver="euler", rtol=None, atol=None, dt0=0.125, max_steps=max_steps)
        T = 0.125 * max_steps
        return reference.test_loss(
            linear_flow(W0, features, labels, T, adjoint=adjoint, **options).params, V
        )

    gradients = lambda adjoint: jax.grad(value, (0, 1))(W0, features, adjoint)
    assert error(gradients(GramAdjoint()), gradients(GramAdjoint(64))) < 1e-13


@ADJOINTS
@pytest.mark.parametrize(
    "size", [{}, {"d": 1301, "scale": 0.1}], ids=["in one slice", "in slices and a rest"]
)
def test_gradients_through_the_path_at_ts(adjoint, size):
    W0, features, labels, V = task(5, **size)
    ts = jnp.array([0.3, 1.1, 2.0])
    weights = jnp.array([1.0, -2.0, 0.5])

    def value(W0, features, proximal):
        solution = linear_flow(
            W0,
            features,
            labels,
            2.0,
            proximal=proximal,
            ts=ts,
            rtol=1e-10,
            atol=1e-10,
            adjoint=adjoint,
        )
        losses = jax.vmap(reference.test_loss, (0, None))(solution.path, V)
        return losses @ weights + reference.test_loss(solution.params, V)

    def by_reference(W0, features, proximal):
        at = lambda t: reference.test_loss(reference.flow(W0, features, labels, t, proximal), V)
        return sum(w * at(t) for w, t in zip(weights, ts, strict=True)) + at(2.0)

    inputs = (W0, features, jnp.asarray(0.2))
    got = jax.jit(jax.value_and_grad(value, (0, 1, 2)))(*inputs)
    want = jax.jit(jax.value_and_grad(by_reference, (0, 1, 2)))(*inputs)
    # Between steps the states are interpolated, by a fourth-order polynomial.
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert error(one, other) < 1e-6


@pytest.mark.parametrize("ts", [None, (0.3, 2.0)], ids=["W(T)", "a path"])
def test_a_gradient_asked_for_alone_is_the_same(ts):
    W0, features, labels, V = task(5, d=1301, scale=0.1)

    def value(W0, features):
        solution = linear_flow(W0, features, labels, 2.0, ts=None if ts is None else jnp.array(ts))
        ends = solution.params[None] if ts is None else solution.path
        return jnp.sum(jax.vmap(reference.test_loss, (0, None))(ends, V))

    both = jax.grad(value, (0, 1))(W0, features)
    alone = [jax.grad(value, which)(W0, features) for which in (0, 1)]
    assert error(alone, list(both)) < 1e-13


def test_gram_adjoint_gives_the_gradient_in_the_labels():
    W0, features, labels, V = task(6, smooth=0.3)

    def value(labels):
        # Perturbed rows must stay probability vectors.
        labels = labels / jnp.sum(labels, axis=1, keepdims=True)
        W = linear_flow(W0, features, labels, 2.0, rtol=1e-10, atol=1e-10).params
        return reference.test_loss(W, V)

    def by_reference(labels):
        labels = labels / jnp.sum(labels, axis=1, keepdims=True)
        return reference.test_loss(reference.flow(W0, features, labels, 2.0), V)

    assert error(jax.jit(jax.grad(value))(labels), jax.jit(jax.grad(by_reference))(labels)) < 1e-6


def test_forward_sensitivity_refuses_the_gradient_in_the_labels():
    W0, features, labels, V = task(6, smooth=0.3)
    value = lambda y: jnp.sum(
        linear_flow(W0, features, y, 1.0, adjoint=ForwardSensitivity()).params
    )
    with pytest.raises(ValueError, match=r"no gradient with respect to labels: use GramAdjoint"):
        jax.grad(value)(labels)


@ADJOINTS
def test_python_floats_outside_jit_get_the_same_gradients_as_under_jit(adjoint):
    W0, features, labels, V = task(7)

    def value(T, proximal):
        solution = linear_flow(W0, features, labels, T, proximal=proximal, adjoint=adjoint)
        return reference.test_loss(solution.params, V)

    gradient = jax.grad(value, (0, 1))
    eager, jitted = gradient(1.5, 0.25), jax.jit(gradient)(1.5, 0.25)
    assert all(float(g) != 0 for g in eager)
    assert error(eager, jitted) < 1e-12


@ADJOINTS
@pytest.mark.parametrize("proximal", [0.0, 0.4])
def test_euler_is_unrolled_gradient_descent_ANIL(adjoint, proximal):
    W0, features, labels, V = task(8, smooth=0.1)
    step_size, steps = 0.125, 12

    def flow(W0, features, proximal):
        W = linear_flow(
            W0,
            features,
            labels,
            step_size * steps,
            proximal=proximal,
            solver="euler",
            rtol=None,
            atol=None,
            dt0=step_size,
            adjoint=adjoint,
        ).params
        return reference.test_loss(W, V), W

    def anil(W0, features, proximal):
        W = reference.descent(W0, features, labels, step_size, steps, proximal)
        return reference.test_loss(W, V), W

    run = lambda f: jax.jit(jax.value_and_grad(f, (0, 1, 2), has_aux=True))(W0, features, proximal)
    ((_, W), gradients), ((_, want), wanted) = run(flow), run(anil)
    assert error(W, want) < 1e-12
    for one, other in zip(gradients, wanted, strict=True):
        assert error(one, other) < 1e-12


def products(jaxpr):
    """Every matrix product of floats, those of inner programs too, with its precision."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            if jnp.issubdtype(equation.outvars[0].aval.dtype, jnp.floating):
                yield equation.params["precision"]
        for inner in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")
        ):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                yield from products(inner)


@ADJOINTS
def test_no_product_is_shortened_on_a_device_that_would(adjoint):
    """TF32 would make every step of the solver noisy, and a gradient wrong in the fourth digit."""
    W0, features, labels, _ = task()

    def loss(W0, features):
        return jnp.sum(linear_flow(W0, features, labels, 3.0, adjoint=adjoint).params ** 2)

    found = list(products(jax.make_jaxpr(jax.grad(loss, argnums=(0, 1)))(W0, features).jaxpr))
    assert len(found) > 5
    highest = jax.lax.Precision.HIGHEST
    assert all(precision in (highest, (highest, highest)) for precision in found)
