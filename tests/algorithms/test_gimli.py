"""GIMLI: the methods that are cases of it, what can be learned, and what it refuses; MAML++."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from comlnviz.adjoints import FirstOrder, Implicit, Unrolled
from comlnviz.algorithms import FOMAML, GIMLI, MAML, MAMLpp, MetaSGD
from comlnviz.data import load
from comlnviz.inner import (
    Learned,
    LearnedLoss,
    LearnedOptimizer,
    criticised,
    decayed,
    smoothed,
)
from comlnviz.models import MLP, Classifier, Conv4, CrossEntropy
from comlnviz.models.linear_head import softmax_cross_entropy
from comlnviz.tasks import FewShot

KEY, N, J = jax.random.key(3), 3, 3
MODEL = Classifier(MLP(64, (6,), jnp.tanh), N)
TASK = FewShot(load("digits"), N, 2, 4).sample(KEY)
network_loss = CrossEntropy()
LEARNED_SGD = LearnedOptimizer(optax.sgd, learning_rate=Learned(0.1))


def floats(tree):
    return jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))


def close(left, right, rtol=1e-8, atol=1e-12):
    for a, b in zip(floats(left), floats(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def grads(algorithm, meta, task=TASK):
    return eqx.filter_jit(algorithm.meta_grad)(meta, task)[1]


def test_MAML_and_MetaSGD_are_cases_of_it():
    maml = MAML(MODEL, 0.1, J)
    case = GIMLI(MODEL, optax.sgd(0.1), num_steps=J)
    meta = case.init(KEY)
    close(grads(case, meta).network, grads(maml, meta.network))
    sgd = LearnedOptimizer(optax.sgd, learning_rate=Learned(0.1, "number", "real"))
    case, own = GIMLI(MODEL, sgd, num_steps=2), MetaSGD(MODEL, 0.1, 2)
    meta = case.init(KEY)
    same = eqx.tree_at(lambda m: m.network, own.init(KEY), meta.network)
    one, other = grads(case, meta), grads(own, same)
    close(one.network, other.network)
    for path, rate in jax.tree_util.tree_leaves_with_path(other.rule.maps):
        name = jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".rates")
        learned = one.optimizer["learning_rate"][name]
        close(learned, rate.reshape(learned.shape))


def test_ANIL_is_a_case_of_it_only_the_named_part_moves():
    head = lambda network: (network.head, network.bias)
    case = GIMLI(MODEL, optax.sgd(0.1), num_steps=J, adapted=head)
    meta = case.init(KEY)
    adapted = case.adapt(meta, TASK.support).params
    close(adapted.encoder, meta.network.encoder)
    features = meta.network.encoder(TASK.support[0])
    loss = lambda p: softmax_cross_entropy(features @ p[0].T + p[1][None], TASK.support[1])
    by_hand = head(meta.network)
    for _ in range(J):
        by_hand = jax.tree.map(lambda p, g: p - 0.1 * g, by_hand, jax.grad(loss)(by_hand))
    close(head(adapted), by_hand)
    assert np.any(grads(case, meta).network.encoder.layers[0][0])


def finite_difference(algorithm, meta, where):
    """The derivative of the meta-loss along a random direction of what `where` selects."""
    part = eqx.filter(where(meta), eqx.is_inexact_array)
    leaves, tree = jax.tree.flatten(part)
    keys = jax.random.split(KEY, len(leaves))
    v = tree.unflatten([jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)])

    @eqx.filter_jit
    def loss(h):
        moved = eqx.apply_updates(where(meta), jax.tree.map(lambda x: h * x, v))
        return algorithm.meta_loss(eqx.tree_at(where, meta, moved), TASK)

    gradient = where(grads(algorithm, meta))
    exact = sum(jnp.vdot(a, b) for a, b in zip(floats(gradient), floats(v), strict=True))
    return (loss(1e-5) - loss(-1e-5)) / 2e-5, exact


ADAM = LearnedOptimizer(
    optax.adamw,
    learning_rate=Learned(0.02, ("step", "layer")),
    b1=Learned(0.8, "array", "unit"),
    b2=Learned(0.9, "step", "unit"),
    weight_decay=Learned(0.01, "number"),
    eps_root=1e-6,
)
LOSSES = {
    "smoothed": (LearnedLoss(smoothed, smoothing=Learned(0.1, "step", "unit")), 1),
    "decayed": (LearnedLoss(decayed, weight=Learned(0.1, "layer")), 2),
    "criticised": (LearnedLoss(criticised, critic=MLP(2 * N, (4, 1), jax.nn.softplus)), 4),
}


def test_every_setting_of_an_optimizer_one_a_step_layer_array_or_number():
    algorithm = GIMLI(MODEL, ADAM, num_steps=J)
    meta = algorithm.init(KEY)
    values = ADAM.values(meta.optimizer)
    assert {k: v.shape for k, v in values["learning_rate"].items()} == {
        "encoder.layers.0": (J,), "top": (J,)
    }  # fmt: skip
    assert list(values["b1"]) == ["bias", "encoder.layers.0.0", "encoder.layers.0.1", "head"]
    assert values["weight_decay"]["head"].shape == (N, 6)
    np.testing.assert_allclose(values["b2"]["all"], [0.9] * J)
    finite, exact = finite_difference(algorithm, meta, lambda m: m.optimizer)
    np.testing.assert_allclose(finite, exact, rtol=1e-6)
    assert all(np.any(g) for g in floats(grads(algorithm, meta).optimizer))
    assert algorithm.monitor(meta)["b1"].shape == (4,)


@pytest.mark.parametrize("name", LOSSES)
def test_parts_of_the_loss_are_learned(name):
    loss, arrays = LOSSES[name]
    algorithm = GIMLI(MODEL, optax.sgd(0.5), loss, num_steps=J)
    meta = algorithm.init(KEY)
    finite, exact = finite_difference(algorithm, meta, lambda m: m.loss)
    np.testing.assert_allclose(finite, exact, rtol=1e-6)
    assert len(floats(meta.loss)) == arrays and exact != 0


def test_learned_settings_where_every_group_has_the_same_are_the_plain_optimizer():
    plain = optax.adamw(0.02, b1=0.8, b2=0.9, weight_decay=0.01, eps_root=1e-6)
    for adjoint in (None, Unrolled()):
        keep = {} if adjoint is None else {"adjoint": adjoint}
        one, other = (GIMLI(MODEL, o, num_steps=J, **keep) for o in (ADAM, plain))
        meta = one.init(KEY)
        bare = eqx.tree_at(lambda m: m.optimizer, meta, {})
        close(one.adapt(meta, TASK.support).params, other.adapt(bare, TASK.support).params, 1e-10)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Learned(5), r"^Requirement III \(a\): only a continuous .*; got 5\. Write it"),
        (lambda: Learned(True), r"^Requirement III \(a\): only a continuous .*; got True"),
        (lambda: Learned(0.0), r"start must lie inside the domain 'positive'; got 0\.0"),
        (lambda: Learned(1.0, domain="unit"), r"inside the domain 'unit'; got 1\.0"),
        (lambda: Learned(1.0, domain="even"), r"domain must be one of positive, unit, real"),
        (lambda: Learned(1.0, ("layer", "number")), r"with one of the others; got \('layer'"),
        (
            lambda: LearnedOptimizer(optax.sgd, b1=Learned(0.9)),
            r"sgd has no setting 'b1'; it has learning_rate, momentum, nesterov",
        ),
        (lambda: LearnedLoss(decayed, wait=Learned(0.9)), r"decayed has no setting 'wait'"),
        (
            lambda: GIMLI(MODEL, loss=LOSSES["decayed"][0], adjoint=FirstOrder()),
            r"^Requirement III \(b\): FirstOrder\(\) .* the loss's weight would",
        ),
        (
            lambda: GIMLI(MODEL, LEARNED_SGD, adjoint=Implicit()),
            r"^Requirement III \(a\): .* Implicit\(\) .* optimizer's learning_rate",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_is_refused_in_a_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def without_parameters(network, data, offset):
    return network_loss(network, data) + offset


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(loss=LearnedLoss(without_parameters, offset=Learned(1.0))), r"\(b\): .*offset"),
        (dict(optimizer=optax.sign_sgd(0.1)), r"^Requirement II: "),
    ],
)
def test_a_zero_gradient_is_refused_when_it_is_first_traced(settings, message):
    algorithm = GIMLI(MODEL, **settings)
    with pytest.raises(ValueError, match=message):
        grads(algorithm, algorithm.init(KEY))


def test_MAMLpp_without_its_additions_is_MAML():
    algorithm = MAMLpp(MODEL, optax.sgd(0.1), J)
    meta = algorithm.init(KEY)
    close(grads(algorithm, meta).network, grads(MAML(MODEL, 0.1, J), meta.network))


def test_MAMLpp_anneals_its_steps_and_the_order_of_its_derivatives():
    algorithm = MAMLpp(MODEL, LEARNED_SGD, J, multi_step=10, first_order_steps=2)
    meta = algorithm.init(KEY)
    np.testing.assert_allclose(algorithm.step_weights(jnp.array(0)), [1 / 3] * 3)
    np.testing.assert_allclose(algorithm.step_weights(jnp.array(5)), [1 / 6, 1 / 6, 2 / 3])
    np.testing.assert_allclose(algorithm.step_weights(jnp.array(10)), [0, 0, 1])
    assert algorithm.after_step(meta, TASK).step == 1
    at = lambda step: eqx.tree_at(lambda m: m.step, meta, jnp.asarray(step))
    first = FOMAML(MODEL, 0.1, 1)

    def multi(meta):  # the query losses after each step, second derivatives included
        rate = jnp.exp(meta.optimizer["learning_rate"]["all"])
        network, total = meta.network, 0.0
        for weight in algorithm.step_weights(jnp.array(4)):
            gradient = eqx.filter_grad(network_loss)(network, TASK.support)
            network = eqx.apply_updates(network, jax.tree.map(lambda g: -rate * g, gradient))
            total += weight * network_loss(network, TASK.query)
        return total

    want = eqx.filter_grad(multi)(meta)
    one = grads(algorithm, at(4))
    close((one.network, one.optimizer), (want.network, want.optimizer))
    gentle = grads(algorithm, at(0))
    networks, network = [], meta.network
    for _ in range(J):
        network = first.adapt(network, TASK.support).params
        networks.append(eqx.filter_grad(network_loss)(network, TASK.query))
    close(gentle.network, jax.tree.map(lambda *g: sum(g) / J, *networks))
    assert gentle.optimizer["learning_rate"]["all"] != 0


def test_MAMLpp_learns_a_normalization_for_each_step():
    model = Classifier(Conv4((16, 16, 1), 2), N)
    algorithm = MAMLpp(model, num_steps=2, per_step_norm=True)
    meta = algorithm.init(KEY)
    images = lambda n: jax.random.uniform(jax.random.fold_in(KEY, n), (n * N, 16, 16, 1))
    labels = lambda n: jnp.tile(jnp.eye(N), (n, 1))
    task = TASK._replace(support=(images(2), labels(2)), query=(images(3), labels(3)))
    gradient = grads(algorithm, meta, task)
    assert len(meta.norms) == 4 and meta.norms[0][0].shape == (2, 2)
    assert all(np.any(x[0]) and np.any(x[1]) for x in floats(gradient.norms))
    assert not np.any(gradient.network.encoder.blocks[0][1].scale)
    # What is learned for step 1 alone leaves step 0 as it was.
    changed = eqx.tree_at(lambda m: m.norms[-1][0], meta, meta.norms[-1][0].at[1].mul(2.0))
    path = lambda m: algorithm._descend(m, task.support, Unrolled(), path=True).path.head
    one, other = path(meta), path(changed)
    np.testing.assert_array_equal(one[1], other[1])
    assert not np.allclose(one[2], other[2])
