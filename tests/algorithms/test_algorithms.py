"""Each algorithm is its paper's: its meta-gradient against an independent way to it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz.algorithms import (
    ANIL,
    CAVIA,
    COMLN,
    FOMAML,
    IMAML,
    LEAP,
    LEO,
    LRD2,
    MAML,
    R2D2,
    MetaOptimizerMAML,
    MetaOptNetRR,
    MetaOptNetSVM,
    MetaSGD,
    ProtoNet,
    Reptile,
    accuracy,
)
from comlnviz.data import load
from comlnviz.inner import CFC, KFC, KLin, Recurrent
from comlnviz.models import MLP, Classifier, Conv4, CrossEntropy, cross_entropy
from comlnviz.models.linear_head import softmax_cross_entropy
from comlnviz.tasks import FewShot

KEY = jax.random.key(3)
network_loss = CrossEntropy()
N = 3
ENCODER = MLP(64, (12, 7), jnp.tanh)
MODEL = Classifier(MLP(64, (6,), jnp.tanh), N)
TASKS = FewShot(load("digits"), N, 2, 4)
TASK = TASKS.sample(KEY)

ALL = [
    COMLN(ENCODER, N, T=2.0),
    ANIL(ENCODER, N, 0.1, 3),
    MAML(MODEL, 0.1, 3),
    FOMAML(MODEL, 0.1, 3),
    Reptile(MODEL, 0.1, 3),
    IMAML(MODEL, 2.0, 0.1, 10, 5),
    MetaSGD(MODEL, 0.1, 2),
    MetaOptimizerMAML(MODEL, KLin(), 0.1, 3),
    MetaOptimizerMAML(MODEL, KLin(), 0.1, 3, adapt_rule=False),
    MetaOptimizerMAML(MODEL, KFC(2), 0.1, 3),
    MetaOptimizerMAML(MODEL, CFC(3, 2), 0.1, 3),
    MetaOptimizerMAML(MODEL, Recurrent(3), 0.1, 3),
    ProtoNet(ENCODER, N),
    R2D2(ENCODER, N),
    MetaOptNetRR(ENCODER, N, 1.0),
    MetaOptNetSVM(ENCODER, N, 1.0, 1e-10, 1e-10),
    CAVIA(ENCODER, N, 5, 0.5, 2),
    LRD2(ENCODER, N),
    LEAP(MODEL, 0.1, 3),
    LEO(ENCODER, N, 4, 1.0, 3, 0.1, 2),
]
NO_GRADIENT = (Reptile, LEAP)
# Learned updates differ in their meta-gradients, not in what is made of those.
ONE_RULE = [a for a in ALL if not isinstance(a, MetaOptimizerMAML) or isinstance(a.optimizer, KLin)]


@pytest.fixture(autouse=True)
def _qpax_promotes_ranks(request):
    """The one solver from outside that leaves ranks to NumPy's rules."""
    with jax.numpy_rank_promotion("allow" if "SVM" in request.node.name else "raise"):
        yield


def floats(tree):
    return jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))


def close(left, right, rtol=1e-8, atol=1e-12):
    for a, b in zip(floats(left), floats(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


@pytest.mark.parametrize("algorithm", ONE_RULE, ids=lambda a: type(a).__name__)
def test_a_few_meta_steps_lower_the_loss_of_a_batch_of_tasks(algorithm):
    tasks = jax.vmap(TASKS.sample)(jax.random.split(KEY, 8))
    meta = algorithm.init(KEY)

    @jax.jit
    def batch(meta):
        (loss, score), grads = jax.vmap(algorithm.meta_grad, in_axes=(None, 0))(meta, tasks)
        mean = lambda g: jnp.mean(g, axis=0)
        return loss.mean(), score.mean(), jax.tree.map(mean, eqx.filter(grads, eqx.is_array))

    first, _, grads = batch(meta)
    assert len(floats(grads)) == len(floats(meta))
    assert sum(jnp.any(g != 0) for g in floats(grads)) > 0
    rate = 0.5 if isinstance(algorithm, NO_GRADIENT) else 0.1
    for _ in range(25):
        loss, score, grads = batch(meta)
        meta = eqx.apply_updates(meta, jax.tree.map(lambda g: -rate * g, grads))
    assert batch(meta)[0] < first - 0.01
    assert 0 <= score <= 1
    probabilities = jax.nn.softmax(algorithm.predict(meta, TASK.support, TASK.query[0]))
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert algorithm.score(meta, TASK) == accuracy(jnp.log(probabilities), TASK.query[1])


def exact(algorithm):
    """The meta-gradient by plain differentiation of the meta-loss."""
    return lambda meta: eqx.filter_grad(lambda m: algorithm.meta_loss(m, TASK))(meta)


@pytest.mark.parametrize(
    "algorithm", [a for a in ALL if not isinstance(a, NO_GRADIENT)], ids=lambda a: type(a).__name__
)
def test_meta_grad_is_the_gradient_of_meta_loss(algorithm):
    meta = algorithm.init(KEY)
    (loss, _), grads = algorithm.meta_grad(meta, TASK)
    assert loss == pytest.approx(float(algorithm.meta_loss(meta, TASK)))
    close(grads, exact(algorithm)(meta))


def unrolled(params, loss, data, step_size, num_steps):
    dynamic, static = eqx.partition(params, eqx.is_inexact_array)

    def step(dynamic, _):
        grads = eqx.filter_grad(loss)(eqx.combine(dynamic, static), data)
        return jax.tree.map(lambda p, g: p - step_size * g, dynamic, grads), None

    return eqx.combine(jax.lax.scan(step, dynamic, None, num_steps)[0], static)


def test_MAML_algorithm_2_is_the_derivative_through_its_unrolled_steps():
    algorithm = MAML(MODEL, 0.3, 3)
    meta = algorithm.init(KEY)

    def loss(meta):
        return network_loss(unrolled(meta, network_loss, TASK.support, 0.3, 3), TASK.query)

    close(algorithm.meta_grad(meta, TASK)[1], eqx.filter_grad(loss)(meta))


def test_FOMAML_is_the_query_gradient_at_the_adapted_parameters():
    algorithm = FOMAML(MODEL, 0.3, 3)
    meta = algorithm.init(KEY)
    adapted = unrolled(meta, network_loss, TASK.support, 0.3, 3)
    close(algorithm.meta_grad(meta, TASK)[1], eqx.filter_grad(network_loss)(adapted, TASK.query))


def test_Reptile_algorithm_2_is_the_way_back_from_where_all_examples_lead():
    algorithm = Reptile(MODEL, 0.3, 3)
    meta = algorithm.init(KEY)
    everything = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), TASK.support, TASK.query)
    adapted = unrolled(meta, network_loss, everything, 0.3, 3)
    way = jax.tree.map(jnp.subtract, *(eqx.filter(m, eqx.is_array) for m in (meta, adapted)))
    close(algorithm.meta_grad(meta, TASK)[1], way)


def test_IMAML_converged_is_the_derivative_of_the_proximal_minimum():
    algorithm = IMAML(MODEL, 2.0, 0.2, 200, 60)
    meta = algorithm.init(KEY)

    def loss(meta):
        distance = lambda u: sum(
            jnp.sum((a - b) ** 2) for a, b in zip(floats(u), floats(meta), strict=True)
        )
        proximal = lambda u, data: network_loss(u, data) + distance(u)  # λ/2 = 1
        return network_loss(unrolled(meta, proximal, TASK.support, 0.2, 200), TASK.query)

    close(
        algorithm.meta_grad(meta, TASK)[1], eqx.filter_jit(eqx.filter_grad(loss))(meta), 1e-6, 1e-9
    )


def test_MetaSGD_takes_a_gradient_in_its_rates():
    algorithm = MetaSGD(MODEL, 0.2, 1)
    meta = algorithm.init(KEY)
    rates = algorithm.meta_grad(meta, TASK)[1].rule
    support = eqx.filter_grad(network_loss)(meta.network, TASK.support)
    adapted = unrolled(meta.network, network_loss, TASK.support, 0.2, 1)
    query = eqx.filter_grad(network_loss)(adapted, TASK.query)
    expected = jax.tree.map(lambda s, q: -s * q, support, query)
    for got, wanted in zip(floats(rates), floats(expected), strict=True):
        np.testing.assert_allclose(got.ravel(), wanted.ravel(), rtol=1e-8, atol=1e-12)


def test_COMLN_with_eulers_method_is_ANIL_section_3_3():
    euler = COMLN(ENCODER, N, T=1.2, solver="euler", rtol=None, atol=None, dt0=0.3)
    anil = ANIL(ENCODER, N, 0.3, 4)
    meta = euler.init(KEY)
    plain = anil.init(KEY)
    close(plain.encoder, meta.encoder)
    (loss, _), grads = euler.meta_grad(meta, TASK)
    (same, _), other = anil.meta_grad(plain, TASK)
    assert loss == pytest.approx(float(same), rel=1e-12)
    close((grads.encoder, grads.W0), (other.encoder, other.W0), 1e-7, 1e-10)


def test_COMLN_learns_T_by_proposition_4():
    algorithm = COMLN(ENCODER, N, T=3.0, rtol=1e-10, atol=1e-10)
    meta = algorithm.init(KEY)
    support, query = ((meta.encoder(x), y) for x, y in (TASK.support, TASK.query))
    W = algorithm.adapt(meta, TASK.support).params
    alignment = jnp.vdot(jax.grad(cross_entropy)(W, support), jax.grad(cross_entropy)(W, query))
    to_log_T = algorithm.meta_grad(meta, TASK)[1].log_T
    assert to_log_T == pytest.approx(float(-3.0 * alignment), rel=1e-6)
    assert algorithm.monitor(meta)["T"] == pytest.approx(3.0)


def test_COMLN_smooths_the_labels_of_its_meta_loss_only():
    plain, smooth = (COMLN(ENCODER, N, label_smoothing=e) for e in (0.0, 0.3))
    meta = plain.init(KEY)
    logits = smooth.logits(meta, TASK)
    np.testing.assert_allclose(logits, plain.logits(meta, TASK))
    labels = 0.7 * TASK.query[1] + 0.1
    assert smooth.meta_loss(meta, TASK) == pytest.approx(
        float(softmax_cross_entropy(logits, labels))
    )
    assert smooth.meta_grad(meta, TASK)[0][0] == smooth.meta_loss(meta, TASK)


def test_ProtoNet_sends_a_query_to_the_nearest_class_mean():
    algorithm = ProtoNet(ENCODER, N)
    meta = algorithm.init(KEY)
    features, queries = np.asarray(meta.encoder(TASK.support[0])), meta.encoder(TASK.query[0])
    means = features.reshape(N, 2, -1).mean(axis=1)
    distances = np.linalg.norm(np.asarray(queries)[:, None] - means, axis=-1)
    logits = algorithm.predict(meta, TASK.support, TASK.query[0])
    np.testing.assert_allclose(logits, -(distances**2), rtol=1e-10)


@pytest.mark.parametrize("algorithm", [R2D2(ENCODER, N, ridge=0.7), MetaOptNetRR(ENCODER, N, 0.7)])
def test_ridge_regression_solves_its_normal_equations(algorithm):
    meta = algorithm.init(KEY)
    X, Y = np.asarray(meta.encoder(TASK.support[0])), np.asarray(TASK.support[1])
    W = np.linalg.solve(X.T @ X + 0.7 * np.eye(X.shape[1]), X.T @ Y).T
    np.testing.assert_allclose(algorithm.adapt(meta, TASK.support).params, W, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("algorithm", ONE_RULE, ids=lambda a: type(a).__name__)
def test_a_failed_adaptation_never_passes_for_a_result(algorithm):
    meta = algorithm.init(KEY)
    broken = jax.tree.map(lambda x: x * jnp.nan if eqx.is_inexact_array(x) else x, meta)
    # Under `jit`, as in training; outside it the inner loops raise.
    (loss, score), _ = eqx.filter_jit(algorithm.meta_grad)(broken, TASK)
    assert jnp.isnan(loss) and jnp.isnan(score)
    assert jnp.isnan(eqx.filter_jit(algorithm.score)(broken, TASK))


def test_running_statistics_are_learned_after_steps_and_used_at_test():
    encoder = Conv4((16, 16, 1), 4, "running")
    algorithm = ProtoNet(encoder, N)
    meta = algorithm.init(KEY)
    images = lambda n: jax.random.uniform(KEY, (2, n, 16, 16, 1))
    tasks = jax.tree.map(lambda x: x, TASK)._replace(
        support=(images(3), None), query=(images(5), None)
    )
    after = algorithm.after_step(meta, tasks)
    assert not (after.encoder.blocks[0][1].mean == 0).any()
    assert (after.encoder.blocks[0][0].kernel == meta.encoder.blocks[0][0].kernel).all()
    seen = [
        algorithm.classify(m, jnp.zeros((N, 4)), m.encoder(images(3)[0])) for m in (meta, after)
    ]
    assert not jnp.allclose(*seen)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(T=0.0), "T must be positive and finite; got 0.0"),
        (dict(label_smoothing=1.0), r"label_smoothing must lie in \[0, 1\); got 1.0"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_a_sentence(settings, message):
    with pytest.raises(ValueError, match=message):
        COMLN(ENCODER, N, **settings)


def test_CAVIA_adapts_a_context_that_starts_at_zero():
    algorithm = CAVIA(ENCODER, N, 5, 0.5, 2)
    meta = algorithm.init(KEY)

    def logits(context, inputs):
        features = meta.encoder(inputs)
        scale, shift = 1 + meta.scale @ context, meta.shift @ context
        return (features * scale[None] + shift[None]) @ meta.head.T + meta.bias[None]

    loss = lambda context, data: softmax_cross_entropy(logits(context, data[0]), data[1])
    context = unrolled(jnp.zeros(5), loss, TASK.support, 0.5, 2)
    assert jnp.abs(context).max() > 1e-3
    np.testing.assert_allclose(algorithm.adapt(meta, TASK.support).params, context, rtol=1e-9)
    query = TASK.query[0]
    np.testing.assert_allclose(
        algorithm.predict(meta, TASK.support, query), logits(context, query), rtol=1e-9
    )


def test_LEO_descends_on_the_codes_and_then_on_what_they_decode_to():
    algorithm = LEO(ENCODER, N, 4, 0.9, 3, 0.1, 2)
    meta = algorithm.init(KEY)
    features, labels = meta.encoder(TASK.support[0]), TASK.support[1]
    each, wanted = features @ meta.code.T, []
    for way in range(N):
        mine = [i for i in range(len(labels)) if labels[i, way]]
        pairs = [jnp.concatenate([each[i], each[j]]) for i in mine for j in range(len(labels))]
        wanted.append(meta.relate(jnp.stack(pairs)).mean(0))
    codes = algorithm.codes(meta, features, labels)
    np.testing.assert_allclose(codes, jnp.stack(wanted), rtol=1e-9)
    on_codes = lambda codes, data: cross_entropy(codes @ meta.decode.T, data)
    codes = unrolled(codes, on_codes, (features, labels), 0.9, 3)
    head = unrolled(codes @ meta.decode.T, cross_entropy, (features, labels), 0.1, 2)
    np.testing.assert_allclose(algorithm.adapt(meta, TASK.support).params, head, rtol=1e-9)


def test_LRD2_converges_to_the_regularized_logistic_regressions():
    algorithm = LRD2(ENCODER, N, ridge=0.7, num_steps=12)
    meta = algorithm.init(KEY)
    features, labels = meta.encoder(TASK.support[0]), TASK.support[1]
    weights = algorithm.adapt(meta, TASK.support).params
    slope = (jax.nn.sigmoid(features @ weights.T) - labels).T @ features + 0.7 * weights
    np.testing.assert_allclose(slope, 0, atol=1e-10)


def test_MetaOptNetSVM_is_the_dual_optimum_of_crammer_and_singer():
    algorithm = MetaOptNetSVM(ENCODER, N, 0.1, 1e-10, 1e-10)
    meta = algorithm.init(KEY)
    features, labels = meta.encoder(TASK.support[0]), TASK.support[1]
    weights = algorithm.adapt(meta, TASK.support).params
    alpha = jnp.linalg.lstsq(features.T, weights.T)[0]  # M < d: the only one
    kernel = features @ features.T + jnp.eye(len(features))
    np.testing.assert_allclose(alpha.sum(1), 0, atol=1e-7)
    assert (alpha <= 0.1 * labels + 1e-7).all()
    # KKT: in each row, the entries below their bound share the smallest slope.
    slope = kernel @ alpha - labels
    free = alpha < 0.1 * labels - 1e-5
    assert free.any() and (~free).any()
    price = jnp.max(jnp.where(free, slope, -jnp.inf), axis=1, keepdims=True)
    np.testing.assert_allclose(jnp.where(free, slope - price, 0), 0, atol=1e-5)
    assert (jnp.where(free, 0, slope - price) <= 1e-5).all()


def test_MetaOptNetSVM_has_the_derivative_of_its_optimum():
    algorithm = MetaOptNetSVM(ENCODER, N, 0.1, 1e-12, 1e-12)
    meta = algorithm.init(KEY)
    where = lambda m: m.encoder.layers[0][0]
    direction = jax.random.normal(KEY, where(meta).shape)
    loss = lambda h: algorithm.meta_loss(
        eqx.tree_at(where, meta, where(meta) + h * direction), TASK
    )
    finite = (loss(1e-5) - loss(-1e-5)) / 2e-5
    exact = jnp.sum(where(algorithm.meta_grad(meta, TASK)[1]) * direction)
    assert float(exact) == pytest.approx(float(finite), rel=1e-4)


def test_LEAP_is_the_gradient_of_the_paths_energy_equation_8():
    algorithm = LEAP(MODEL, 0.3, 3)
    meta = algorithm.init(KEY)
    everything = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), TASK.support, TASK.query)
    expected = jax.tree.map(jnp.zeros_like, eqx.filter(meta, eqx.is_inexact_array))
    at = meta
    for _ in range(3):
        loss, slope = eqx.filter_value_and_grad(network_loss)(at, everything)
        after = eqx.apply_updates(at, jax.tree.map(lambda g: -0.3 * g, slope))
        fall = network_loss(after, everything) - loss
        assert fall < 0
        stretch = jax.tree.map(lambda g, fall=fall: -2 * (fall * g - 0.3 * g), slope)
        expected = jax.tree.map(jnp.add, expected, stretch)
        at = after
    close(algorithm.meta_grad(meta, TASK)[1], expected)
