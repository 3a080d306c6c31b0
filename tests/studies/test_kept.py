"""Traced programs on disk: the same results, and no tracing where one is there."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import Array

from comlnviz.models import MLP
from comlnviz.studies import kept as module
from comlnviz.studies.kept import kept


@pytest.fixture(autouse=True)
def folder(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path / "traced"
    jax.config.update("jax_compilation_cache_dir", before)


def counted(function):
    """The function, kept, and how often it has been traced since: as a new process would."""
    traces = []

    def f(*args):
        traces.append(args)
        return function(*args)

    f.__qualname__ = "f"
    return kept(f), traces


def same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    arrays = lambda tree: jax.tree.leaves(eqx.filter(tree, eqx.is_array))
    for a, b in zip(arrays(found), arrays(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def network(key, x, activation, deep):
    made = MLP(3, (4,) * deep, activation).init(key)
    return {"z": (made(x), None), "a": [made, 2.5, activation], "b": optax.TraceState(x)}


def test_what_is_kept_is_what_was_computed_and_needs_no_trace(folder):
    arguments = (jax.random.key(1), jnp.ones((1, 3)), jnp.tanh, 2)
    expected = eqx.filter_jit(network)(*arguments)
    for traced in (1, 0):  # by the first process, and by the next
        f, traces = counted(network)
        for _ in range(2):
            same(f(*arguments), expected)
        assert len(traces) == traced
    assert len(list(folder.iterdir())) == 1


def test_another_value_or_type_is_another_program():
    first = (jax.random.key(1), jnp.ones((1, 3)), jnp.tanh, 2)
    f, traces = counted(network)
    for arguments in (
        first,
        (*first[:3], 1),
        (*first[:2], jax.nn.relu, 2),
        (first[0], first[1].astype("float32"), *first[2:]),
        (first[0], jnp.ones((2, 3)), *first[2:]),
    ):
        before = len(traces)
        same(f(*arguments), eqx.filter_jit(network)(*arguments))
        assert len(traces) == before + 1
    with jax.enable_x64(False):
        narrow = (jax.random.key(1), jnp.ones((1, 3)), jnp.tanh, 2)
        same(f(*narrow), eqx.filter_jit(network)(*narrow))
        assert f(*narrow)["z"][0].dtype == "float32"


def test_of_another_source_it_is_another_program(monkeypatch):
    for source in ("old", "new"):
        monkeypatch.setattr(module, "_sources", lambda source=source: source)
        f, traces = counted(jnp.sin)
        f(jnp.ones(3))
        assert len(traces) == 1


def test_one_and_true_and_one_point_nought_are_told_apart():
    f, _ = counted(lambda x, what: x * what if isinstance(what, float) else x + what)
    x = jnp.asarray([3.0])
    assert [float(f(x, what)[0]) for what in (1, 1.0, True, "x" == "x")] == [4, 3, 4, 4]


def test_a_function_without_a_name_is_compiled_as_ever(folder):
    f, traces = counted(lambda x, g: g(x))
    for add in (1.0, 2.0):
        np.testing.assert_array_equal(f(jnp.ones(2), lambda x, add=add: x + add), 1 + add)
    assert len(traces) == 2 and not list(folder.iterdir())


def test_a_damaged_file_is_written_anew(folder):
    for damage in (b"", b"[]\n", b"nonsense"):
        f, traces = counted(jnp.cos)
        np.testing.assert_array_equal(f(jnp.zeros(2)), 1)
        (file,) = folder.iterdir()
        assert len(traces) == 1 and file.stat().st_size > 100
        file.write_bytes(damage)


class Pair(NamedTuple):
    left: Array
    right: Array


def test_under_a_transformation_and_without_a_cache_it_is_a_jitted_function():
    f, _ = counted(lambda x: Pair(x**2, x))
    np.testing.assert_array_equal(jax.vmap(f)(jnp.arange(3.0)).left, [0, 1, 4])
    assert jax.grad(lambda x: f(x).left)(3.0) == 6
    jax.config.update("jax_compilation_cache_dir", None)
    assert f(jnp.asarray(2.0)) == Pair(4, 2)
