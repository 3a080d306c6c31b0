"""A-MAML's adjoint: second order on a flow, exact on descent by any optimizer."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from reference import error, rk4

from comlnviz import gradient_descent, gradient_flow
from comlnviz.adjoints import Checkpointed, StoredStates, Unrolled

rng = np.random.default_rng(0)
X = jnp.asarray(rng.normal(size=(6, 2)))
Y = jnp.asarray(rng.normal(size=6))
PARAMS = {"a": jnp.asarray(rng.normal(size=(3, 2))), "b": jnp.asarray(rng.normal(size=3))}
WEIGHT = jnp.asarray(0.3)


def make_loss(weight):
    """A small network with a learned regulariser, whose weight the loss closes over."""

    def loss(u, data):
        x, y = data
        out = jnp.tanh(x @ u["a"].T) @ u["b"]
        return jnp.mean((out - y) ** 2) + weight * jnp.sum(u["a"] ** 2) / 2

    return loss


def value_of(u):
    return jnp.sum(jnp.sin(u["a"])) + jnp.sum(u["b"] ** 3)


T = 3.0


@jax.jit
@jax.grad
def fine_gradients(inputs):
    params, weight, data = inputs
    gradient = jax.grad(make_loss(weight))
    field = lambda u: jax.tree.map(jnp.negative, gradient(u, data))
    return value_of(rk4(field, params, T, 600))


def flow_gradients(num_states, order=2):
    @jax.jit
    @jax.grad
    def gradients(inputs):
        params, weight, data = inputs
        adjoint = StoredStates(num_states, order)
        loss = make_loss(weight)
        run = gradient_flow(loss, params, data, T, rtol=1e-12, atol=1e-12, adjoint=adjoint)
        return value_of(run.params)

    return gradients((PARAMS, WEIGHT, (X, Y)))


@pytest.mark.parametrize("order, states", [(2, (65, 129, 257)), (4, (17, 33, 65))])
def test_flow_gradient_is_of_its_order_in_the_spacing(order, states):
    want = fine_gradients((PARAMS, WEIGHT, (X, Y)))
    got = [flow_gradients(n, order) for n in states]
    # In the initial parameters, in the closed-over weight, and in the data.
    for part in range(3):
        errors = [error(g[part], want[part]) for g in got]
        slopes = np.log2(np.divide(errors[:-1], errors[1:]))
        assert errors[-1] < 1e-3
        assert all(abs(slope - order) < 0.1 * order for slope in slopes), (part, errors)


# Not divided, the costate grows to 10⁴⁰, and to 10⁷⁴ with the fourth order.
@pytest.mark.parametrize("num_states, order", [(101, 2), (101, 4), (11, 2), (11, 4)])
def test_a_spacing_that_is_too_long_for_stability_is_divided(num_states, order):
    curvatures, ends = jnp.asarray([0.1, 1.0, 10.0]), jnp.asarray([0.3, 0.7, -0.2])
    loss = lambda u, _: jnp.sum(curvatures * (u - ends) ** 2) / 2

    @jax.grad
    def gradient(u):
        run = gradient_flow(loss, u, None, 30.0, adjoint=StoredStates(num_states, order))
        return jnp.sum(run.params * jnp.asarray([1.0, 2.0, 3.0]))

    exact = jnp.exp(-30 * curvatures) * jnp.asarray([1.0, 2.0, 3.0])
    assert error(gradient(jnp.ones(3)), exact) < (1e-3 if num_states == 101 else 0.02)


@pytest.mark.parametrize("order", [2, 4])
def test_a_direction_that_is_sharp_only_at_first_is_found(order):
    turn = jnp.asarray(np.linalg.qr(rng.normal(size=(64, 64)))[0])

    def loss(u, _):
        gate, across, *_ = v = turn @ u  # the gate opens on the way, and then nothing is sharp
        sharp = 200 * jax.nn.sigmoid(8 * (5 - gate)) * across**2
        return sharp - gate + 0.75 * jnp.sum(v[1:] ** 2)

    @jax.jit
    @jax.grad
    def gradient(u):
        run = gradient_flow(loss, u, None, 10.0, adjoint=StoredStates(101, order))
        return run.params @ turn[0]

    start = turn.T @ jnp.linspace(0, 1, 64).at[0].set(0)
    assert error(gradient(start), turn[0]) < 1e-2  # not divided: 1e145


def test_a_flow_can_be_differentiated_twice():
    start, loss = jnp.asarray([0.3, 0.7]), lambda u, _: jnp.sum(jnp.cosh(u))

    def second(adjoint):
        end = lambda u: jnp.sum(
            gradient_flow(loss, u, None, 1.0, adjoint=adjoint, max_steps=64).params ** 2
        )
        return jax.jit(jax.grad(lambda u: jnp.sum(jax.grad(end)(u))))(start)

    assert error(second(StoredStates(41)), second(Unrolled())) < 1e-3


def test_too_many_parts_give_no_gradient_rather_than_a_wrong_one():
    loss = lambda u, curvature: curvature * jnp.sum(u**2) / 2

    @jax.vmap
    @jax.grad
    def gradients(u, curvature):
        settings = dict(solver="kvaerno5", adjoint=StoredStates(11))
        return jnp.sum(gradient_flow(loss, u, curvature, 1.0, **settings).params)

    lost, other = gradients(jnp.ones((2, 2)), jnp.asarray([1e9, 1.0]))
    assert jnp.isnan(lost).all()
    assert error(other, jnp.full(2, jnp.exp(-1.0))) < 1e-2


def test_flow_gradient_in_T_is_minus_the_alignment():
    run = lambda T: gradient_flow(make_loss(WEIGHT), PARAMS, (X, Y), T).params
    end = run(T)
    inner = jax.grad(make_loss(WEIGHT))(end, (X, Y))
    outer = jax.grad(value_of)(end)
    want = -sum(jnp.sum(inner[k] * outer[k]) for k in inner)
    assert error(jax.grad(lambda T: value_of(run(T)))(T), want) < 1e-12


def test_flow_refuses_gradients_through_its_path():
    def value(params):
        ts = jnp.array([0.5, 1.0])
        return jnp.sum(gradient_flow(make_loss(WEIGHT), params, (X, Y), 1.0, ts=ts).path["a"])

    with pytest.raises(Exception, match=r"through Solution.params only"):
        jax.jit(jax.grad(value))(PARAMS)


def unrolled_sgd(params, weight, data, rate, decay, steps):
    states = [params]
    for _ in range(steps):
        g = jax.grad(make_loss(weight))(states[-1], data)
        states.append(jax.tree.map(lambda u, g: u - rate * (g + decay * u), states[-1], g))
    return states


@pytest.mark.parametrize("through", ["params", "path"])
def test_descent_by_sgd_is_exact(through):
    """In the parameters, the closed-over weight, the data, the learning rate, the decay."""
    steps = 6

    def value(inputs):
        params, weight, data, rate, decay = inputs
        optimizer = optax.chain(optax.add_decayed_weights(decay), optax.sgd(rate))
        run = gradient_descent(
            make_loss(weight), params, data, steps, optimizer=optimizer, path=True
        )
        if through == "params":
            return value_of(run.params), run.path
        return sum(
            value_of(jax.tree.map(lambda x, k=k: k * x[k], run.path)) for k in range(7)
        ), run.path

    def by_hand(inputs):
        states = unrolled_sgd(*inputs, steps)
        path = jax.tree.map(lambda *x: jnp.stack(x), *states)
        if through == "params":
            return value_of(states[-1]), path
        return sum(
            value_of(jax.tree.map(lambda x, k=k: k * x, u)) for k, u in enumerate(states)
        ), path

    inputs = (PARAMS, WEIGHT, (X, Y), jnp.asarray(0.1), jnp.asarray(0.02))
    got, path = jax.jit(jax.grad(value, has_aux=True))(inputs)
    want, wanted_path = jax.jit(jax.grad(by_hand, has_aux=True))(inputs)
    assert error(path, wanted_path) < 1e-14
    for one, other in zip(got, want, strict=True):
        assert error(one, other) < 1e-12


def annealed(rate):
    """A schedule that closes over a learned rate."""
    return lambda count: rate / (1 + count)


OPTIMIZERS = {
    "nesterov": lambda rate, x: optax.sgd(annealed(rate), momentum=x, nesterov=True),
    "adam": lambda rate, x: optax.adam(annealed(rate), b1=x, b2=0.9),
    "adamw": lambda rate, x: optax.adamw(rate, weight_decay=x),
    "rmsprop": lambda rate, x: optax.rmsprop(annealed(rate), decay=x, momentum=0.5),
    "adagrad": lambda rate, x: optax.adagrad(rate, initial_accumulator_value=x),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_descent_by_stateful_optimizers_is_exact_to_1e_10(name):
    """In the parameters, the closed-over weight, the data, and two of the optimizer's settings."""

    def value(inputs, adjoint):
        params, weight, data, rate, x = inputs
        optimizer = OPTIMIZERS[name](rate, x)
        run = gradient_descent(
            make_loss(weight), params, data, 5, optimizer=optimizer, path=True, adjoint=adjoint
        )
        return value_of(run.params) + jnp.sum(jnp.cos(run.path["a"])), run.path

    inputs = (PARAMS, WEIGHT, (X, Y), jnp.asarray(0.1), jnp.asarray(0.7))
    both = lambda inputs: [
        jax.grad(value, has_aux=True)(inputs, adjoint) for adjoint in (StoredStates(), Unrolled())
    ]
    (got, path), (want, same) = jax.jit(both)(inputs)
    assert error(path, same) < 1e-14
    for one, other in zip(got, want, strict=True):
        assert error(one, other) < 1e-10


def test_descent_keeps_parameters_and_optimizer_state_of_each_step_and_no_activations():
    size, examples, steps = 300, 200, 64

    def compiled(adjoint):
        def value(u, x):
            loss = lambda u, x: jnp.mean(jnp.sin(jnp.tanh(x @ u)))
            optimizer = optax.adam(0.1, eps_root=1e-8)
            run = gradient_descent(loss, u, x, steps, optimizer=optimizer, adjoint=adjoint)
            return jnp.sum(run.params**2)

        shapes = (jax.ShapeDtypeStruct(s, jnp.float32) for s in ((size, 4), (examples, size)))
        return jax.jit(jax.grad(value)).lower(*shapes).compile().memory_analysis()

    kept = 4 * 3 * 4 * size * steps  # bytes of parameters and two moments
    stored, unrolled = (
        compiled(adjoint).temp_size_in_bytes for adjoint in (StoredStates(), Unrolled())
    )
    assert kept < stored < 1.2 * kept
    assert unrolled > 2 * kept


@pytest.mark.parametrize("order", [2, 4])
def test_a_flow_takes_the_memory_of_its_states_and_of_no_copy(order):
    size = 300

    def temporary(num_states):
        def value(u, x):
            loss = lambda u, x: jnp.mean(jnp.sin(jnp.tanh(x @ u)))
            adjoint = StoredStates(num_states, order)
            return jnp.sum(gradient_flow(loss, u, x, 1.0, adjoint=adjoint).params ** 2)

        shapes = (jax.ShapeDtypeStruct(s, jnp.float32) for s in ((size, 4), (20, size)))
        return jax.jit(jax.grad(value)).lower(*shapes).compile().memory_analysis()

    few, many = (temporary(n).temp_size_in_bytes for n in (101, 301))
    copies = (many - few) / (200 * 4 * 4 * size)
    assert 0.99 < copies < 1.02


@pytest.mark.parametrize("adjoint", [StoredStates(), Unrolled(), Checkpointed()])
def test_a_stepwise_loss_takes_another_batch_at_each_step(adjoint):
    batches = jnp.stack([X, 2 * X, X[::-1]])

    def value(batches):
        loss = lambda u, data, step: make_loss(0.1)(u, (data[step], Y))
        run = gradient_descent(loss, PARAMS, batches, 3, stepwise=True, adjoint=adjoint)
        return value_of(run.params)

    def by_hand(batches):
        u = PARAMS
        for x in batches:
            gradient = jax.grad(make_loss(0.1))(u, (x, Y))
            u = jax.tree.map(lambda u, g: u - 0.01 * g, u, gradient)
        return value_of(u)

    got, want = (jax.jit(jax.value_and_grad(f))(batches) for f in (value, by_hand))
    assert error(got, want) < 1e-12


@pytest.mark.parametrize(
    "settings, message",
    [
        ((1,), r"num_states must be at least 2, both ends; got 1\."),
        ((5, 3), r"order must be 2 or 4; got 3\."),
        ((6, 4), r"num_states must be odd for order 4; got 6\."),
    ],
)
def test_states_that_cannot_be_stepped_over_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        StoredStates(*settings)


def test_python_floats_outside_jit_get_the_same_gradients_as_under_jit():
    def of_flow(T, weight):
        return value_of(gradient_flow(make_loss(weight), PARAMS, (X, Y), T).params)

    def of_descent(rate, weight):
        run = gradient_descent(make_loss(weight), PARAMS, (X, Y), 3, optimizer=optax.sgd(rate))
        return value_of(run.params)

    for value in (of_flow, of_descent):
        gradient = jax.grad(value, (0, 1))
        eager = gradient(0.5, 0.25)
        assert all(float(g) != 0 for g in eager)
        assert error(eager, jax.jit(gradient)(0.5, 0.25)) < 1e-12


def test_python_float_parameters_are_refused_by_name():
    with pytest.raises(ValueError, match="no floating-point array to adapt"):
        gradient_descent(lambda u, _: u**2, 1.0, None, 3)


def test_grad_at_a_python_float_parameter_outside_jit():
    loss = lambda u, data: jnp.sin(u) * data
    for value in (
        lambda u, d: gradient_flow(loss, u, d, 1.0).params,
        lambda u, d: gradient_descent(loss, u, d, 5).params,
    ):
        gradient = jax.grad(value, (0, 1))
        eager = gradient(0.7, 2.0)
        assert all(float(g) != 0 for g in eager)
        assert error(eager, jax.jit(gradient)(0.7, 2.0)) < 1e-12
