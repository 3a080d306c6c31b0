"""What a caller gets wrong: one sentence with the value; and failures of the solve itself."""

import diffrax
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest
from reference import task

from comlnviz import gradient_descent, gradient_flow, linear_flow
from comlnviz.adjoints import Checkpointed, ForwardSensitivity, GramAdjoint, StoredStates, Unrolled
from comlnviz.inner import LearnedLoss, LearnedOptimizer
from comlnviz.integrator import Integrator

W0, X, Y, V = task(0, M=4, N=3, d=5)
NAN_X = X.at[1, 2].set(jnp.nan)


@pytest.fixture(autouse=True)
def no_type_checks():
    """Users have no type-checking hook, and must get our sentence without it."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


def linear(W0=W0, features=X, labels=Y, T=1.0, **options):
    return linear_flow(W0, features, labels, T, **options)


def bowl(u, data):
    return jnp.sum(u**2)


def flow(loss=bowl, params=W0, data=None, T=1.0, **options):
    return gradient_flow(loss, params, data, T, **options)


def descend(loss=bowl, params=W0, data=None, num_steps=2, **options):
    return gradient_descent(loss, params, data, num_steps, **options)


ARGUMENTS = [
    # Shapes
    (linear, dict(W0=W0[0]), r"W0 must be a matrix \(classes, .*its shape is \(5,\)"),
    (linear, dict(features=X[None]), r"features must be a matrix .*shape is \(1, 4, 5\)"),
    (linear, dict(labels=jnp.arange(4)), r"labels must be a matrix .*shape is \(4,\)"),
    (linear, dict(features=X[:, :4]), r"W0 and features disagree in embedding size: 5 against 4"),
    (linear, dict(features=X[:3]), r"features and labels disagree in examples: 3 against 4"),
    (linear, dict(W0=W0[:2]), r"W0 and labels disagree in classes: 2 against 3"),
    # Values
    (linear, dict(labels=2 * Y), r"one probability vector a row.*range from 0 to 2.*sum to 2 to 2"),
    (linear, dict(labels=Y - 0.5), r"labels must have one probability vector a row.*from -0\.5"),
    (linear, dict(labels=Y * jnp.nan), r"labels must have one probability vector a row.*nan"),
    (linear, dict(features=NAN_X), r"features must be finite; it holds NaN"),
    (linear, dict(W0=W0 / 0), r"W0 must be finite; it holds NaN or infinity"),
    (linear, dict(proximal=-0.5), r"proximal must be zero or positive; got -0\.5"),
    (linear, dict(proximal=jnp.inf), r"proximal must be zero or positive; got inf"),
    # Time
    *(
        (call, dict(T=T), rf"T must be positive and finite; got {shown}")
        for call in (linear, flow)
        for T, shown in ((0, r"0\.0"), (-2.5, r"-2\.5"), (jnp.inf, "inf"), (jnp.nan, "nan"))
    ),
    *((call, dict(T=jnp.ones(2)), r"T must be one number; .*\(2,\)") for call in (linear, flow)),
    *(
        (call, dict(ts=jnp.array(ts)), pattern)
        for call in (linear, flow)
        for ts, pattern in (
            ([0.5, 1.5], r"ts must increase and lie between 0 and T = 1\.0; got 0\.5 to 1\.5"),
            ([-0.5, 0.5], r"ts must increase and lie between 0 and T = 1\.0; got -0\.5 to 0\.5"),
            ([0.5, 0.2], r"ts must increase and lie between 0 and T = 1\.0; got 0\.5 to 0\.2"),
            ([0.1, jnp.nan], r"ts must increase and lie between 0 and T = 1\.0; got 0\.1 to nan"),
            ([jnp.nan], r"ts must increase and lie between 0 and T = 1\.0; got nan to nan"),
            ([], r"ts must be a vector of times; its shape is \(0,\)"),
            ([[0.5]], r"ts must be a vector of times; its shape is \(1, 1\)"),
        )
    ),
    # Solver
    *(
        (call, options, pattern)
        for call in (linear, flow)
        for options, pattern in (
            (dict(solver="rk45"), r"Unknown solver 'rk45': choose one of Euler, .*Dopri5"),
            (dict(rtol=None), r"Give both tolerances or neither: rtol=None, atol=1e-06"),
            (dict(atol=None), r"Give both tolerances or neither: rtol=1e-06, atol=None"),
            (dict(solver="euler"), r"Euler takes constant steps here: give their length as dt0"),
            (dict(rtol=None, atol=None), r"Dopri5 takes constant steps here: give .* dt0"),
            (dict(dt0=-0.1), r"dt0 must be positive; got -0\.1\."),
            (dict(max_steps=0), r"max_steps must be at least 1; got 0"),
            (
                dict(solver="kvaerno5", rtol=None, atol=None, dt0=0.1),
                r"Kvaerno5 is implicit .*: give rtol and atol",
            ),
        )
    ),
    # Loss, parameters, steps
    *(
        (call, options, pattern)
        for call in (flow, descend)
        for options, pattern in (
            (dict(loss=lambda u, _: u[0]), r"one real number; .* shape \(5,\) .*take its mean"),
            (dict(loss=lambda u, _: jnp.sum(u > 0)), r"one real number; .*type int"),
            (dict(loss=lambda u, _: (jnp.sum(u), 1)), r"must return one real number; it returned"),
            (dict(params=jnp.arange(3)), r"params hold no floating-point array to adapt"),
            (dict(params=W0 / 0), r"params must be finite; it holds NaN or infinity"),
        )
    ),
    (
        flow,
        dict(params=(W0, W0.astype(jnp.float32)), loss=lambda u, _: jnp.sum(u[0]) + jnp.sum(u[1])),
        r"params must be of one type; got float32 and float64: cast them to one",
    ),
    *(
        (descend, dict(num_steps=n), rf"num_steps must be {wanted}; got {n}\.")
        for n, wanted in (
            (0, "at least 1"),
            (-1, "at least 1"),
            (2.5, "an integer"),
            (True, "an integer"),
        )
    ),
]

TYPES = [
    (linear, dict(solver=3), r"solver must be a Diffrax solver or its name, .*; got 3"),
    (linear, dict(adjoint=Unrolled()), r"GramAdjoint\(\).*; got Unrolled\."),
    (linear, dict(adjoint=GramAdjoint), r"got GramAdjoint \(the class itself; add parentheses\)"),
    (flow, dict(adjoint=GramAdjoint()), r"gradient_flow takes adjoint=.*StoredStates\(\)"),
    (flow, dict(adjoint=StoredStates), r"got StoredStates \(the class itself; add parentheses\)"),
    (flow, dict(adjoint=diffrax.DirectAdjoint()), r"got DirectAdjoint\."),
    (descend, dict(adjoint=ForwardSensitivity()), r"gradient_descent .*; got ForwardSensitivity"),
    (descend, dict(adjoint=Checkpointed), r"got Checkpointed \(the class itself"),
    (descend, dict(optimizer=0.1), r"optimizer must be an optax transformation .*; got 0\.1"),
]


def one_sentence(message):
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 300


@pytest.mark.parametrize("call, options, pattern", ARGUMENTS)
def test_argument_out_of_range_says_so_in_one_sentence_with_the_value(call, options, pattern):
    with pytest.raises(ValueError, match=pattern) as caught:
        call(**options)
    one_sentence(str(caught.value))


@pytest.mark.parametrize("call, options, pattern", TYPES)
def test_argument_of_the_wrong_kind_says_what_fits(call, options, pattern):
    with pytest.raises(TypeError, match=pattern) as caught:
        call(**options)
    one_sentence(str(caught.value))


TOO_FEW = dict(max_steps=3, T=20.0)


@pytest.mark.parametrize("call, name", [(linear, "linear_flow"), (flow, "gradient_flow")])
def test_running_out_of_steps_raises_with_the_numbers(call, name):
    pattern = rf"{name} ran out of its 3 steps at t = .* of T = 20: raise max_steps, loosen"
    with pytest.raises(RuntimeError, match=pattern) as caught:
        call(**TOO_FEW)
    one_sentence(str(caught.value))


@pytest.mark.parametrize("call, name", [(linear, "linear_flow"), (flow, "gradient_flow")])
def test_running_out_of_steps_raises_under_jit_at_run_time(call, name):
    run = jax.jit(lambda T: call(T=T, max_steps=3).params)
    assert np.isfinite(run(1e-3)).all()
    with pytest.raises(Exception, match=rf"{name} did not reach T, .* raise max_steps"):
        jax.block_until_ready(run(20.0))


@pytest.mark.parametrize("call", [linear, flow])
def test_without_throw_the_path_is_finite_up_to_where_it_stopped_and_nan_after(call):
    ts = jnp.linspace(0, 20, 41)
    run = call(**TOO_FEW, ts=ts, throw=False)
    reached = np.asarray(ts) <= float(run.stats["final_time"])
    assert not run.ok
    assert run.stats["num_steps"] == 3
    assert 0 < reached.sum() < len(ts)
    assert np.isfinite(run.path[reached]).all()
    assert np.isnan(run.path[~reached]).all()
    assert np.isfinite(run.params).all()


def climb(u, data):
    """du/dt = u³ is infinite at t = 1/2 from u = 1."""
    return -jnp.sum(u**4) / 4


def test_blow_up_raises_where_it_happened():
    with pytest.raises(RuntimeError, match=r"gradient_flow .* at t = 0\.[45].* of T = 2"):
        flow(loss=climb, params=jnp.ones(2), T=2.0)
    with pytest.raises(Exception, match="gradient_flow did not reach T"):
        jax.block_until_ready(jax.jit(lambda u: flow(climb, u, T=2.0).params)(jnp.ones(2)))


def test_blow_up_without_throw_keeps_what_was_reached():
    ts = jnp.linspace(0, 2, 21)
    run = flow(loss=climb, params=jnp.ones(2), T=2.0, ts=ts, throw=False)
    assert not run.ok
    before = np.asarray(ts) < 0.45
    assert np.isfinite(run.path[before]).all()
    assert np.isnan(run.path[np.asarray(ts) > 0.55]).all()


def test_descent_that_diverges_is_not_ok():
    run = descend(num_steps=2000, optimizer=optax.sgd(10.0))
    assert not run.ok
    assert descend().ok


@pytest.fixture(scope="module")
def traced():
    def run(W0, X, Y, T, proximal):
        return linear_flow(W0, X, Y, T, proximal=proximal, throw=False).ok

    return jax.jit(run)


@pytest.mark.parametrize(
    "what, value",
    [
        ("T", 0.0),
        ("T", -1.0),
        ("T", jnp.inf),
        ("T", jnp.nan),
        ("labels", 2 * Y),
        ("labels", Y - 0.5),
        ("features", NAN_X),
        ("W0", W0 * jnp.inf),
        ("proximal", -1.0),
        ("proximal", jnp.nan),
    ],
)
def test_bad_values_that_are_traced_make_ok_false(traced, what, value):
    good = dict(W0=W0, features=X, labels=Y, T=1.0, proximal=0.0)
    assert traced(*good.values())
    assert not traced(*(good | {what: value}).values())


def test_bad_T_that_is_traced_makes_a_flow_not_ok():
    run = jax.jit(lambda T: flow(T=T, throw=False).ok)
    assert run(1.0)
    assert not any(run(T) for T in (0.0, -1.0, jnp.inf, jnp.nan))


def test_bad_values_that_are_traced_raise_at_run_time_where_throw_is_on():
    run = jax.jit(lambda T: linear(T=T).params)
    run(1.0)
    with pytest.raises(Exception, match=r"linear_flow did not reach T, or was given T"):
        jax.block_until_ready(run(-1.0))


@pytest.mark.parametrize("call", [linear, flow])
def test_times_known_outside_but_closed_over_by_jit_are_checked_too(call):
    T, ts = jnp.asarray(2.0), jnp.array([0.5, 2.0])
    run = lambda T: jax.jit(lambda x: x + jnp.sum(call(T=T, ts=ts).path))(0.0)
    assert np.isfinite(run(T))
    with pytest.raises(ValueError, match=r"T must be positive and finite; got -2\.0"):
        run(-T)


@pytest.mark.parametrize("call", [linear, flow])
@pytest.mark.parametrize("ts", [[0.5, 9.0], [0.5, 0.2], [-1.0, 0.5], [0.1, jnp.nan]])
def test_traced_times_out_of_range_make_ok_false_and_raise_where_throw_is_on(call, ts):
    run = jax.jit(lambda ts: call(ts=ts, throw=False).ok)
    assert run(jnp.array([0.2, 0.5]))
    assert not run(jnp.array(ts))
    with pytest.raises(Exception, match="or was given T, ts, data"):
        jax.block_until_ready(jax.jit(lambda ts: call(ts=ts).params)(jnp.array(ts)))


def test_integrator_itself_checks_its_settings():
    with pytest.raises(ValueError, match="Give both tolerances or neither"):
        Integrator(diffrax.Dopri5(), 1e-3, None, None, 10)


def test_a_number_of_steps_by_numpy_is_known_under_jit():
    found = [
        jax.jit(lambda u, n=n: gradient_descent(bowl, u, None, n).params)(jnp.ones(2))
        for n in (5, np.int64(5))
    ]
    np.testing.assert_array_equal(*found)


def test_what_is_no_loss_and_no_optimizer_is_refused_in_a_sentence():
    for make in (LearnedLoss.of, LearnedOptimizer):
        with pytest.raises(ValueError, match=r"take a function; got 3\."):
            make(3)
