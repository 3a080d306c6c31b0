"""Any solver, any parameters, any JAX transformation, both precisions."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
import reference
from reference import error, task

from comlnviz import gradient_descent, gradient_flow, linear_flow
from comlnviz.adjoints import ForwardSensitivity, GramAdjoint
from comlnviz.models.linear_head import LinearHead, cross_entropy

W0, X, Y, V = task(0, M=4, N=3, d=5)
T = 2.0
WANT = reference.flow(W0, X, Y, T)

NAMES = [
    ("Euler", 0.001, 1e-2),
    ("Heun", None, 1e-4),
    ("Midpoint", None, 1e-4),
    ("Ralston", None, 1e-4),
    ("Bosh3", None, 1e-5),
    ("Tsit5", None, 1e-5),
    ("Dopri5", None, 1e-5),
    ("Dopri8", None, 1e-6),
    ("ImplicitEuler", None, 1e-2),
    ("Kvaerno3", None, 1e-4),
    ("Kvaerno4", None, 1e-4),
    ("Kvaerno5", None, 1e-4),
]


@pytest.mark.parametrize("name, dt0, allowed", NAMES, ids=[n[0] for n in NAMES])
def test_every_solver_by_name_comes_to_the_same_end(name, dt0, allowed):
    options = dict(dt0=dt0, rtol=1e-6, atol=1e-6)
    run = linear_flow(W0, X, Y, T, solver=name.lower(), **options)
    assert error(run.params, WANT) < allowed


@pytest.mark.parametrize("solver", [diffrax.Tsit5(), diffrax.Bosh3()])
def test_a_solver_object_is_the_same_as_its_name(solver):
    by_object = linear_flow(W0, X, Y, T, solver=solver).params
    by_name = linear_flow(W0, X, Y, T, solver=type(solver).__name__).params
    np.testing.assert_array_equal(by_object, by_name)


def test_linear_flow_gradient_flow_and_fine_descent_agree():
    by_flow = gradient_flow(cross_entropy, W0, (X, Y), T, rtol=1e-9, atol=1e-9).params
    assert error(by_flow, WANT) < 1e-7
    import optax

    by_descent = gradient_descent(cross_entropy, W0, (X, Y), 2000, optimizer=optax.sgd(1e-3))
    assert error(by_descent.params, WANT) < 1e-3


@pytest.mark.parametrize("adjoint", [GramAdjoint(), ForwardSensitivity()], ids=["gram", "forward"])
def test_vmap_over_tasks_equals_a_loop(adjoint):
    W0s, Xs, Ys, Vs = (jnp.stack(x) for x in zip(*(task(k) for k in range(3)), strict=True))
    Ts = jnp.array([0.5, 4.0, 1.0])

    def value(W0, X, Y, V, T):
        run = linear_flow(W0, X, Y, T, rtol=1e-9, atol=1e-9, adjoint=adjoint)
        return reference.test_loss(run.params, V)

    one = jax.jit(jax.value_and_grad(value, (0, 1, 4)))
    batch = jax.jit(jax.vmap(jax.value_and_grad(value, (0, 1, 4))))(W0s, Xs, Ys, Vs, Ts)
    for k in range(3):
        want = one(W0s[k], Xs[k], Ys[k], Vs[k], Ts[k])
        assert error(jax.tree.map(lambda x, k=k: x[k], batch), want) < 1e-12


def test_jit_changes_nothing():
    ts = jnp.array([1.0, T])
    run = lambda: linear_flow(W0, X, Y, T, ts=ts)
    eager, jitted = run(), jax.jit(run)()
    assert error((eager.params, eager.path), (jitted.params, jitted.path)) < 1e-14
    assert error(eager.path[-1], eager.params) < 1e-14


def test_single_precision_stays_single_and_is_as_accurate_as_it_can_be():
    single = task(0, M=4, N=3, d=5, dtype=np.float32)[:3]

    def value(W0, X, T):
        run = linear_flow(W0, X, single[2], T, rtol=1e-6, atol=1e-6, ts=jnp.array([1.0]))
        return jnp.sum(jnp.sin(run.params)), run

    gradients, run = jax.jit(jax.grad(value, (0, 1, 2), has_aux=True))(*single[:2], T)
    assert run.params.dtype == run.path.dtype == np.float32
    assert all(g.dtype == np.float32 for g in gradients[:2])
    assert error(run.params, WANT) < 1e-5
    loss = lambda W0, X, T: jnp.sum(jnp.sin(reference.flow(W0, X, Y, T)))
    want = jax.jit(jax.grad(loss, (0, 1, 2)))(W0, X, T)
    assert error(gradients, want) < 1e-4


def test_integer_labels_are_taken_as_numbers():
    labels = jnp.asarray(Y, int)
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        got = linear_flow(W0, X, labels, T).params
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)
    np.testing.assert_array_equal(got, linear_flow(W0, X, Y, T).params)


class Net(eqx.Module):
    """A network with what is no number in it: a name, a function, integers."""

    layer: eqx.nn.Linear
    order: jax.Array
    activation: object = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __call__(self, x):
        return jnp.sum(self.activation(self.layer(x[self.order])))


@pytest.mark.parametrize("loop", ["flow", "descent"])
def test_an_equinox_module_is_adapted_and_keeps_what_is_not_a_float(loop):
    layer = eqx.nn.Linear(5, 2, key=jax.random.key(0))
    net = Net(layer, jnp.arange(5)[::-1], jnp.tanh, "net")
    loss = lambda net, x: jnp.mean((jax.vmap(net)(x) - 1) ** 2)

    @eqx.filter_jit
    def adapted(net):
        if loop == "flow":
            return gradient_flow(loss, net, X, 1.0).params
        return gradient_descent(loss, net, X, 20).params

    new = adapted(net)
    assert isinstance(new, Net)
    assert (new.name, new.activation) == ("net", jnp.tanh)
    np.testing.assert_array_equal(new.order, net.order)
    assert loss(new, X) < loss(net, X)
    gradient = eqx.filter_grad(lambda net: loss(adapted(net), X))(net)
    assert np.isfinite(gradient.layer.weight).all()
    assert np.any(gradient.layer.weight)


def test_near_convergence_in_single_precision_the_stable_residual_saves_steps():
    """5-way 1-shot to T = 10⁴: the plain softmax − y leaves rounding noise to be resolved."""
    rng = np.random.default_rng(0)
    W0 = jnp.asarray(rng.normal(size=(5, 64)) / 8, jnp.float32)
    X = jnp.asarray(rng.normal(size=(5, 64)) / 2, jnp.float32)
    Y = jnp.eye(5, dtype=jnp.float32)
    tolerance = dict(rtol=1.4e-8, atol=1.4e-8)
    run = linear_flow(W0, X, Y, 1e4, **tolerance)
    gram, logits0 = X @ X.T, X @ W0.T
    plain = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, s, _: (jax.nn.softmax(logits0 - gram @ s) - Y) / 5),
        diffrax.Dopri5(),
        jnp.float32(0),
        jnp.float32(1e4),
        0.01,
        jnp.zeros_like(Y),
        stepsize_controller=diffrax.PIDController(**tolerance),
    )
    assert run.stats["num_steps"] < plain.stats["num_steps"] / 2
    assert run.stats["num_steps"] < 100


@pytest.mark.parametrize("smooth", [0.0, 0.2])
def test_vector_field_and_curvature_keep_their_digits_near_convergence(smooth):
    """Against the same in float64: relative errors of single precision where p ≈ y."""
    Y = np.eye(3) * (1 - smooth) + smooth / 3
    logits0 = np.where(np.eye(3) > 0, 12.0, -3.0) if smooth == 0 else np.log(Y)
    make = lambda dtype: LinearHead(*(jnp.asarray(a, dtype) for a in (np.eye(3), logits0, Y, 0.0)))
    single, double = make(np.float32), make(np.float64)
    got, want = single.vector_field(single.start()), double.vector_field(double.start())
    if smooth == 0:
        np.testing.assert_allclose(got, want, rtol=1e-5)
    else:
        assert np.abs(got).max() < 1e-7
    got, want = single.curvature(single.start()), double.curvature(double.start())
    np.testing.assert_allclose(got, want, rtol=1e-5)
