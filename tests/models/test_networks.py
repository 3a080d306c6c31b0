"""The networks have the papers' sizes, and their layers do what they say."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz.models import MLP, Classifier, Conv4, DenseNet, Identity, ResNet12
from comlnviz.models.layers import BatchNorm, Convolution, max_pool

KEY = jax.random.key(0)


def is_norm(node):
    return isinstance(node, BatchNorm)


def learned(network):
    """How many numbers are learned; running statistics are not."""
    norms = lambda node: isinstance(node, BatchNorm)
    total = sum(x.size for x in jax.tree.leaves(eqx.filter(network, eqx.is_array)))
    found = [n for n in jax.tree.leaves(network, is_leaf=norms) if norms(n)]
    return total - sum(n.mean.size + n.variance.size for n in found)


def test_conv4_has_the_papers_sizes():
    assert Conv4((84, 84, 3)).size == 1600  # COMLN, Table 1 and Appendix E.5
    # Meta-optimizers, Section 5: the four-layer network, with its ten outputs.
    assert learned(Classifier(Conv4((28, 28, 1)), 10).init(KEY)) == 112_586


def test_resnet12_has_the_papers_sizes():
    encoder = ResNet12((84, 84, 3))
    assert encoder.size == 16_000  # COMLN, Section 5
    network = jax.eval_shape(lambda: encoder.init(KEY))
    count = sum(x.size for x in jax.tree.leaves(network))
    expected = 0
    for n, m in zip((3, 64, 160, 320), (64, 160, 320, 640), strict=True):
        expected += 9 * n * m + 2 * 9 * m * m + n * m  # kernels, without biases
        expected += 4 * 4 * m  # scale, offset and two running statistics
    assert count == expected == 12_424_320 + 4 * 2 * (64 + 160 + 320 + 640)


@pytest.mark.parametrize("layers, convolutions", [(1, 4), (2, 8), (3, 12)])
def test_resnet_4_8_12_have_so_many_convolutions_beside_the_shortcuts(layers, convolutions):
    network = jax.eval_shape(lambda: ResNet12((28, 28, 1), (4, 4, 4, 4), layers=layers).init(KEY))
    kernels = [x for x in jax.tree.leaves(network) if x.ndim == 4]
    assert len([k for k in kernels if k.shape[0] == 3]) == convolutions


def test_densenet_bc_has_the_299_parameter_groups_of_gimli_section_5_1():
    model = Classifier(DenseNet((32, 32, 3), 12, (16, 16, 16), stem=24), 10)
    network = jax.eval_shape(lambda: model.init(KEY))
    assert len(jax.tree.leaves(network)) - 2 * 99 == 299  # without running statistics
    # Densely connected networks, Table 2: 0.8 million parameters.
    total = sum(x.size for x in jax.tree.leaves(network))
    norms = [n for n in jax.tree.leaves(network, is_leaf=is_norm) if is_norm(n)]
    assert total - sum(2 * n.mean.size for n in norms) == 769_162


def test_densenet_8_has_two_layers_in_each_of_four_blocks_and_keeps_what_came_in():
    network = jax.eval_shape(lambda: DenseNet((28, 28, 1), 3).init(KEY))
    assert [len(block) for block in network.blocks] == [2, 2, 2, 2]
    layer = DenseNet((8, 8, 1), 3, (1,)).init(KEY).blocks[0][0]
    x = jax.random.uniform(KEY, (2, 8, 8, 1))
    grown = layer(x)
    np.testing.assert_array_equal(grown[..., :1], x)
    assert grown.shape == (2, 8, 8, 4)


@pytest.mark.parametrize(
    "encoder",
    [
        Conv4((28, 28, 1), 8),
        Conv4((17, 20, 3), 4, "running", patches=True),
        ResNet12((16, 33, 1), (4, 5, 6, 7)),
        ResNet12((16, 16, 1), (2, 3, 4, 5), "batch", layers=1, patches=True),
        DenseNet((9, 12, 3), 2, (1, 2), stem=4),
        MLP(12, (5, 3), jnp.tanh),
        Identity(12),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_encoder_knows_its_networks_output_size(encoder):
    shape = getattr(encoder, "image_shape", (3, 4, 1))
    images = jax.random.uniform(KEY, (6, *shape))
    network = encoder.init(KEY)
    assert network(images).shape == (6, encoder.size)
    trained, after = network.train(images)
    assert trained.shape == (6, encoder.size)
    assert jax.tree.structure(after) == jax.tree.structure(network)


def test_a_convolution_by_patches_is_the_convolution():
    direct = Convolution.init(KEY, 3, 5)
    patches = Convolution(direct.kernel, direct.bias + 1, True)
    x = jax.random.normal(KEY, (2, 9, 8, 3))
    np.testing.assert_allclose(direct(x) + 1, patches(x), atol=1e-12)
    one = jnp.zeros((1, 5, 5, 3)).at[0, 2, 2, 1].set(1.0)  # an impulse answers with the kernel
    np.testing.assert_allclose(direct(one)[0, 1:4, 1:4], direct.kernel[::-1, ::-1, 1], atol=1e-12)


def test_max_pool_takes_the_largest_of_each_block_and_drops_an_odd_edge():
    x = jnp.arange(15.0).reshape(1, 3, 5, 1)
    assert max_pool(x)[0, :, :, 0].tolist() == [[6.0, 8.0]]


def test_a_compiled_gradient_is_the_one_taken_step_by_step():
    """Compilers compute some numbers twice, not to the same bits; pooling must not mind."""
    network = Conv4((28, 28, 3), 64).init(KEY)
    images = jax.random.normal(jax.random.key(1), (10, 28, 28, 3))
    weights = jax.random.normal(jax.random.key(2), (10, 64))
    gradient = eqx.filter_grad(lambda network: jnp.sum(weights * network(images)))
    compiled = eqx.filter_jit(gradient)(network)
    with jax.disable_jit():
        plain = gradient(network)
    for got, expected in zip(jax.tree.leaves(compiled), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-9 * jnp.abs(expected).max() + 1e-11)


def test_of_equal_pixels_the_first_has_the_gradient_and_nan_is_not_lost():
    x = jnp.zeros((1, 2, 2, 1))
    assert jax.grad(lambda x: max_pool(x).sum())(x).ravel().tolist() == [1.0, 0.0, 0.0, 0.0]
    for place in range(4):
        assert jnp.isnan(max_pool(x.at[0, place // 2, place % 2, 0].set(jnp.nan))).all()


def test_batch_mode_normalizes_by_the_batch_in_training_and_at_test():
    norm = BatchNorm.init(3, "batch")
    x = 5 + 2 * jax.random.normal(KEY, (40, 4, 4, 3))
    out = norm(x)
    np.testing.assert_allclose(out.mean((0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(out.std((0, 1, 2)), 1, atol=1e-5)
    trained, after = norm.train(x)
    assert (trained == out).all() and after is norm


def test_running_mode_learns_the_statistics_in_training_and_uses_them_at_test():
    norm = BatchNorm.init(2, "running")
    x = jnp.array([[3.0, -1.0]]) + jnp.array([[2.0, 0.5]]) * jax.random.normal(KEY, (4000, 2))
    assert jnp.allclose(norm(x), x / jnp.sqrt(1 + 1e-5))  # statistics of nothing seen: 0 and 1
    for _ in range(100):
        trained, norm = norm.train(x)
    np.testing.assert_allclose(norm.mean, x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(norm.variance, x.var(0), rtol=1e-3)
    np.testing.assert_allclose(norm(x), trained, atol=1e-3)
    one = norm(x[:1])  # one query alone is judged as among the others
    np.testing.assert_allclose(one, norm(x)[:1])


def test_no_gradient_flows_into_running_statistics():
    norm = BatchNorm.init(2, "running")
    x = jax.random.normal(KEY, (5, 2))
    through = lambda norm: jnp.sum(norm(x) ** 2) + jnp.sum(norm.train(x)[1].mean)
    gradient = jax.grad(through)(norm)
    assert not gradient.mean.any() and not gradient.variance.any() and gradient.scale.all()


@pytest.mark.parametrize("patches", [False, True])
def test_networks_work_under_jit_and_vmap_with_a_network_for_each_task(patches):
    encoder = Conv4((16, 16, 1), 3, patches=patches)
    networks = jax.vmap(encoder.init)(jax.random.split(KEY, 4))
    images = jax.random.uniform(KEY, (4, 5, 16, 16, 1))
    together = jax.jit(jax.vmap(lambda n, x: n(x)))(networks, images)
    alone = [jax.tree.map(lambda x: x[i], networks)(images[i]) for i in range(4)]
    np.testing.assert_allclose(together, jnp.stack(alone), atol=1e-10)


def test_single_precision_stays_single_precision():
    network = Conv4((16, 16, 1), 3).init(KEY)  # double here, as the tests run
    assert network(jnp.ones((2, 16, 16, 1), jnp.float32)).dtype == jnp.float32


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Conv4((8, 28, 1)), r"16×16 at least; got \(8, 28, 1\)"),
        (lambda: ResNet12((84, 8, 3)), r"got \(84, 8, 3\)"),
        (lambda: DenseNet((7, 28, 1)), r"8×8 at least for 4 blocks; got \(7, 28, 1\)"),
        (lambda: MLP(3, ()), r"at least one positive width; got 3 and \(\)"),
        (lambda: BatchNorm.init(3, "layer"), "normalization must be 'batch', .*; got 'layer'"),
    ],
)
def test_a_size_that_cannot_be_is_refused_in_a_sentence(make, message):
    with pytest.raises(Exception, match=message):
        make()
