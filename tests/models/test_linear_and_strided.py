"""Linear networks collapse, strided ones have the paper's sizes, and layers freeze by name."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz.algorithms import MAML, MetaOptimizerMAML
from comlnviz.inner import KLin
from comlnviz.models import Classifier, Conv4, ConvNet, LinNet
from comlnviz.models.freeze import array_names, count, split
from comlnviz.models.layers import Convolution, max_pool

KEY = jax.random.key(2)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("widths", [(), (4,), (7, 3, 5)])
def test_a_linear_network_is_one_matrix_however_deep(widths, bias):
    network = LinNet(6, widths, 3, bias).init(KEY)
    x = jax.random.normal(KEY, (9, 6))
    layer_by_layer = x
    for weight, shift in zip(network.weights, network.biases, strict=True):
        layer_by_layer = layer_by_layer @ weight.T + (0 if shift is None else shift[None])
    np.testing.assert_allclose(network(x), layer_by_layer, rtol=1e-9, atol=1e-12)
    collapsed = network.collapse()
    assert len(collapsed.weights) == 1 and collapsed.weights[0].shape == (3, 6)
    np.testing.assert_allclose(collapsed(x), network(x), rtol=1e-9, atol=1e-12)


def test_of_two_classes_one_number_is_logistic_regression():
    network = LinNet(6).init(KEY)
    x = jax.random.normal(KEY, (9, 6))
    assert count(network) == 6
    probabilities = jax.nn.softmax(network(x))[:, 1]
    np.testing.assert_allclose(probabilities, jax.nn.sigmoid(x @ network.weights[0][0]), rtol=1e-12)


@pytest.mark.parametrize(
    "encoder, number",
    [
        (ConvNet((28, 28, 1), 64, 4), 112_586),
        (ConvNet((28, 28, 1), 64, 2), 38_474),
        (ConvNet((32, 32, 3), 32, 4), 29_226),
        (ConvNet((32, 32, 3), 32, 2), 10_602),
        (ConvNet((84, 84, 3), 32, 4, "pool"), 36_906),
        (ConvNet((84, 84, 3), 32, 2, "pool"), 18_282),
    ],
)
def test_networks_of_section_5_have_the_papers_numbers_of_parameters(encoder, number):
    assert count(Classifier(encoder, 10).init(KEY)) == number  # Appendix A.1.2, Table A3


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("reduce", ["stride", "pool"])
def test_a_network_of_any_number_of_layers_knows_its_size(layers, reduce):
    encoder = ConvNet((17, 20, 1), 3, layers, reduce)
    assert encoder.init(KEY)(jnp.ones((2, 17, 20, 1))).shape == (2, encoder.size)


def test_a_strided_convolution_is_every_second_pixel_of_the_convolution():
    plain = Convolution.init(KEY, 3, 5)
    x = jax.random.normal(KEY, (2, 9, 8, 3))
    for patches in (False, True):
        strided = Convolution(plain.kernel, plain.bias, patches, 2)
        np.testing.assert_allclose(strided(x), plain(x)[:, ::2, ::2], atol=1e-12)


def test_wider_pooling_takes_the_largest_of_each_block():
    x = jnp.arange(35.0).reshape(1, 7, 5, 1)
    assert max_pool(x, 3)[0, :, :, 0].tolist() == [[12.0], [27.0]]


def test_layers_freeze_by_name():
    network = Classifier(ConvNet((16, 16, 1), 3, 2), 4).init(KEY)
    assert "encoder.blocks.1.0.kernel" in array_names(network)
    assert not any("variance" in name for name in array_names(network))
    moving, still = split(network, ("encoder.blocks.0", "bias"))
    wanted = [n for n in array_names(network) if "blocks.0" not in n and n != "bias"]
    assert array_names(moving) == wanted
    assert moving.encoder.blocks[1][1].mean is None and still.encoder.blocks[1][1].mean is not None
    for a, b in zip(
        *(jax.tree.leaves(n) for n in (eqx.combine(moving, still), network)), strict=True
    ):
        assert a is b


@pytest.mark.parametrize(
    "algorithm",
    [
        lambda model, frozen: MAML(model, 0.5, 2, frozen=frozen),
        lambda model, frozen: MetaOptimizerMAML(model, KLin(), 0.5, 2, frozen=frozen),
    ],
)
def test_a_frozen_layer_is_not_adapted_and_the_others_are(algorithm):
    model = Classifier(ConvNet((16, 16, 1), 3, 2), 4)
    method = algorithm(model, ("encoder.blocks.0", "head"))
    meta = method.init(KEY)
    network = getattr(meta, "network", meta)
    support = (jax.random.uniform(KEY, (8, 16, 16, 1)), jnp.eye(4)[jnp.arange(8) % 4])
    adapted = method.adapt(meta, support).params
    name_and_change = zip(
        array_names(network),
        [
            float(jnp.abs(a - b).max())
            for a, b in zip(
                *(jax.tree.leaves(split(n)[0]) for n in (adapted, network)), strict=True
            )
        ],
        strict=True,
    )
    for name, change in name_and_change:
        frozen = name == "head" or name.startswith("encoder.blocks.0.")
        # A bias before batch normalization has no gradient.
        assert (change == 0) == frozen or name == "encoder.blocks.1.0.bias"


def test_a_layer_that_does_not_exist_is_answered_with_those_that_do():
    network = Classifier(ConvNet((16, 16, 1), 3, 1), 4).init(KEY)
    pattern = (
        r"no layer 'C9' to freeze: choose from encoder.blocks.0.0, encoder.blocks.0.1, head, bias\."
    )
    with pytest.raises(ValueError, match=pattern):
        split(network, ("C9",))
    with pytest.raises(ValueError, match="nothing is left to adapt"):
        split(network, ("encoder", "head", "bias"))
    with pytest.raises(ValueError, match=r"no layer .encoder\.blocks\.0\.0\.k."):
        split(network, ("encoder.blocks.0.0.k",))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LinNet(0), r"got 0, \(\) and 2"),
        (lambda: LinNet(3, (2, 0)), r"got 3, \(2, 0\) and 2"),
        (lambda: ConvNet((28, 28, 1), 64, 5), "layers must be from 1 to 4; got 5"),
        (lambda: ConvNet((8, 28, 1)), r"16×16 at least; got \(8, 28, 1\)"),
    ],
)
def test_a_size_that_cannot_be_is_refused_in_a_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_conv4_is_the_pooled_network_of_four_layers():
    """Its weights may be read from files that were written by either."""
    conv4, pooled = Conv4((84, 84, 3), 4).init(KEY), ConvNet((84, 84, 3), 4, 4, "pool").init(KEY)
    assert jax.tree.structure(conv4) == jax.tree.structure(pooled)
