"""GIMLI: Algorithm 1, its requirements, and Appendix A's derivatives of two optimizers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from reference import error

from comlnviz import gradient_descent
from comlnviz.inner import check_requirements, gimli_loop

rng = np.random.default_rng(0)
X, Y = jnp.asarray(rng.normal(size=(6, 3))), jnp.asarray(rng.normal(size=6))
THETA = {"w": jnp.asarray(rng.normal(size=(4, 3))), "v": jnp.asarray(rng.normal(size=4))}
PHI_OPT = {"learning_rate": jnp.asarray(0.1), "b1": jnp.asarray(0.8)}
PHI_LOSS = {"decay": jnp.asarray(0.3), "weights": jnp.ones(6)}
J = 4


def out(theta):
    return jnp.tanh(X @ theta["w"].T) @ theta["v"]


def train_loss(theta, phi):
    fit = jnp.mean(phi["weights"] * (out(theta) - Y) ** 2)
    return fit + phi["decay"] * jnp.sum(theta["w"] ** 2)


def val_loss(theta):
    return jnp.mean(jnp.cos(out(theta)))


OPTIMIZERS = {
    "sgd": lambda phi: optax.sgd(phi["learning_rate"] * phi["b1"]),
    "nesterov": lambda phi: optax.sgd(phi["learning_rate"], phi["b1"], nesterov=True),
    "adam": lambda phi: optax.adam(**phi),
    "adagrad": lambda phi: optax.adagrad(phi["learning_rate"], phi["b1"]),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_algorithm_1_is_the_gradient_through_the_loop_to_1e_10(name):
    optimizer = OPTIMIZERS[name]

    def through(theta, phi_opt, phi_loss):
        rule = optimizer(phi_opt)
        memory = rule.init(theta)
        for _ in range(J):
            G = jax.grad(train_loss)(theta, phi_loss)
            updates, memory = rule.update(G, memory, theta)
            theta = optax.apply_updates(theta, updates)
        return val_loss(theta)

    inputs = (THETA, PHI_OPT, PHI_LOSS)
    value, want = jax.jit(jax.value_and_grad(through, (0, 1, 2)))(*inputs)
    run = gimli_loop(train_loss, val_loss, optimizer, *inputs, J)
    assert error(run.value, value) < 1e-14
    for one, other in zip((run.B[0], run.A_opt, run.A_loss), want, strict=True):
        assert error(one, other) < 1e-10
    assert (len(run.B), len(run.params), len(run.gradients)) == (J + 1, J + 1, J)
    assert error(jax.tree.map(lambda *x: sum(x), *run.shares_loss), run.A_loss) < 1e-14

    def compiled(theta, phi_opt, phi_loss):
        loss = lambda theta, phi: train_loss(theta, phi)
        rule = optimizer(phi_opt)
        return val_loss(gradient_descent(loss, theta, phi_loss, J, optimizer=rule).params)

    for one, other in zip(jax.jit(jax.grad(compiled, (0, 1, 2)))(*inputs), want, strict=True):
        assert error(one, other) < 1e-10


def scalars(optimizer, steps):
    """θ_t and G_t of two parameters as functions of φ = (rate, a weight in the loss)."""
    loss = lambda theta, phi: jnp.sum(jnp.sin(theta) ** 2 * phi[1] + theta**4 / 4)
    theta0 = jnp.array([0.7, -1.1])

    def run(phi):
        rule = optimizer(phi[0])
        theta, memory, thetas, Gs = theta0, rule.init(theta0), [theta0], []
        for _ in range(steps):
            G = jax.grad(loss)(theta, phi)
            updates, memory = rule.update(G, memory)
            theta = theta + updates
            thetas, Gs = [*thetas, theta], [*Gs, G]
        return thetas, Gs

    phi = jnp.array([0.2, 1.3])
    return run(phi), jax.jacfwd(run)(phi), phi, lambda theta: jax.hessian(loss)(theta, phi)


D_RATE = jnp.array([[1.0, 0.0]])  # ∇φ of the rate, which is the first of φ


def test_appendix_A_1_sgd():
    (thetas, Gs), (d_thetas, d_Gs), phi, hessian = scalars(optax.sgd, 3)
    t = 2
    formula = d_thetas[t] - Gs[t][:, None] * D_RATE - phi[0] * d_Gs[t]
    assert error(d_thetas[t + 1], formula) < 1e-12
    # ∇θ_t of θ_{t+1}: by finite differences of one step
    loss_gradient = lambda theta: phi[1] * jnp.sin(2 * theta) + theta**3
    step = lambda theta: theta - phi[0] * loss_gradient(theta)
    np.testing.assert_allclose(step(thetas[t]), thetas[t + 1], rtol=1e-12)
    formula = jnp.eye(2) - phi[0] * hessian(thetas[t])
    assert error(jax.jacfwd(step)(thetas[t]), formula) < 1e-12


def test_appendix_A_2_adagrad():
    adagrad = lambda rate: optax.adagrad(rate, initial_accumulator_value=0.0, eps=0.0)
    (thetas, Gs), (d_thetas, d_Gs), phi, hessian = scalars(adagrad, 3)
    t, rate = 2, phi[0]
    S = sum(G**2 for G in Gs[: t + 1])
    root, cube = jnp.sqrt(S)[:, None], (S**1.5)[:, None]
    G, history = Gs[t][:, None], sum(g[:, None] * dg for g, dg in zip(Gs, d_Gs, strict=True))
    formula = d_thetas[t] - rate * d_Gs[t] / root - G * D_RATE / root + rate * G * history / cube
    assert error(d_thetas[t + 1], formula) < 1e-12
    # ∇θ_t of θ_{t+1}, the earlier gradients being held
    loss_gradient = lambda theta: phi[1] * jnp.sin(2 * theta) + theta**3
    before = S - Gs[t] ** 2

    def step(theta):
        G = loss_gradient(theta)
        return theta - rate * G / jnp.sqrt(before + G**2)

    np.testing.assert_allclose(step(thetas[t]), thetas[t + 1], rtol=1e-12)
    H = hessian(thetas[t])
    formula = jnp.eye(2) - rate * H / root + rate * G**2 * H / cube
    assert error(jax.jacfwd(step)(thetas[t]), formula) < 1e-12


def broken(**changes):
    good = dict(
        train_loss=train_loss, val_loss=val_loss, optimizer=OPTIMIZERS["adam"], params=THETA,
        phi_opt=PHI_OPT, phi_loss=PHI_LOSS,
    )  # fmt: skip
    return check_requirements(**(good | changes))


def accuracy(theta):
    return jnp.mean((out(theta) > 0) == (Y > 0))


def constant_regulariser(theta, phi):
    return train_loss(theta, phi) + phi["offset"]


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(val_loss=accuracy), r"^Requirement I: .* stand-in"),
        (
            dict(optimizer=lambda phi: optax.sign_sgd(phi["learning_rate"] + phi["b1"])),
            r"^Requirement II: ",
        ),
        (
            dict(optimizer=lambda phi: optax.sgd(phi["learning_rate"])),
            r"^Requirement III \(a\): .* does not depend on b1; ",
        ),
        (
            dict(train_loss=constant_regulariser, phi_loss=PHI_LOSS | {"offset": jnp.ones(())}),
            r"^Requirement III \(b\): .* does not depend on offset; ",
        ),
        (
            dict(train_loss=lambda theta, phi: train_loss(theta, jax.lax.stop_gradient(phi))),
            r"^Requirement III \(b\): .* on decay, weights; ",
        ),
    ],
    ids=["I", "II", "III a", "III b", "III b, all"],
)
def test_each_requirement_of_section_2_4_that_fails_is_named(changes, message):
    broken()
    with pytest.raises(ValueError, match=message):
        broken(**changes)
    with pytest.raises(ValueError, match=message):  # and under `jit`
        jax.jit(lambda theta: broken(**changes, params=theta))(THETA)
