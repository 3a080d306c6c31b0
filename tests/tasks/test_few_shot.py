"""Few-shot tasks: what is in them, and that drawing one costs little."""

import os
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comlnviz.data import Dataset, load
from comlnviz.tasks import FewShot
from comlnviz.tasks.choose import choose

KEY = jax.random.key(4)


def numbered(classes, size):
    """Every example holds its class and its number: embeddings, which are not scaled."""
    examples = np.stack(np.meshgrid(np.arange(classes), np.arange(size), indexing="ij"), -1)
    return Dataset(examples.astype(np.float32), tuple(map(str, range(classes))))


@pytest.mark.parametrize("size, count", [(5, 5), (6, 3), (1000, 16), (1, 1)])
def test_what_is_chosen_is_different_and_there(size, count):
    drawn = jax.vmap(lambda k: choose(k, size, count))(jax.random.split(KEY, 500))
    assert ((drawn >= 0) & (drawn < size)).all()
    assert all(len(set(row)) == count for row in drawn.tolist())


def test_every_ordered_choice_is_equally_likely():
    drawn = np.asarray(jax.vmap(lambda k: choose(k, 4, 3))(jax.random.split(KEY, 24_000)))
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == 24
    chi_squared = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_squared < 49.7  # of 23 degrees of freedom: once in a thousand seeds


def test_a_task_has_its_classes_with_support_and_query_disjoint():
    tasks = FewShot(numbered(9, 7), ways=4, shots=2, queries=3)
    for key in jax.random.split(KEY, 20):
        task = tasks.sample(key)
        (support, support_labels), (query, query_labels) = task.support, task.query
        assert support.shape == (8, 2) and query.shape == (12, 2)
        for examples, labels, each in [(support, support_labels, 2), (query, query_labels, 3)]:
            np.testing.assert_array_equal(labels.sum(0), each)
            classes = tasks.classes(key)[labels.argmax(1)]
            np.testing.assert_array_equal(examples[:, 0], classes)
        seen = [tuple(row) for row in np.concatenate([support, query]).tolist()]
        assert len(set(seen)) == 20


def test_images_are_scaled_to_one():
    data = load("digits")
    tasks = FewShot(data, 5, 1, 4)
    support, _ = tasks.sample(KEY).support
    assert support.shape == (5, 8, 8, 1) and support.max() == 1 and support.min() == 0
    first = data.images[int(tasks.classes(KEY)[0])] / 255
    assert (np.abs(first - np.asarray(support[0])) < 1e-12).all((1, 2, 3)).any()


def test_a_task_is_a_function_of_its_key_compiled_or_not():
    tasks = FewShot(load("digits"), 3, 2, 2)
    keys = jax.random.split(KEY, 3)
    batch = jax.jit(jax.vmap(tasks.sample))(keys)
    for i, key in enumerate(keys):
        alone = tasks.sample(key)
        for a, b in zip(jax.tree.leaves(batch), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[i], b, atol=1e-15)


def test_drawing_tasks_does_not_copy_the_dataset():
    data = Dataset(np.zeros((100, 600, 16, 16, 1), np.uint8), tuple(map(str, range(100))))
    draw = jax.jit(lambda tasks, keys: jax.vmap(tasks.sample)(keys))
    compiled = draw.lower(FewShot(data, 5, 1, 5), jax.random.split(KEY, 2)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < data.images.nbytes / 20


def test_images_that_stay_with_the_host_make_the_same_tasks():
    keys = jax.random.split(KEY, 3)
    for data in (load("digits"), numbered(9, 7)):
        here, there = (FewShot(data, 3, 2, 2, on_host=on_host) for on_host in (True, False))
        draw = eqx.filter_jit(lambda tasks: jax.vmap(tasks.sample)(keys))
        jax.tree.map(np.testing.assert_array_equal, draw(here), draw(there))
        assert repr(here) == repr(there)  # checkpoints of the one are taken up by the other


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's account of memory")
def test_a_dataset_larger_than_memory_is_never_read_whole(tmp_path):
    """Thirty-two gibibytes of zeros, which take no room on the disk."""
    size = (256, 2**15, 64, 64, 1)
    images = np.memmap(tmp_path / "images", np.uint8, "w+", shape=size)
    images[7, 5] = 255
    tasks = FewShot(Dataset(images, tuple(map(str, range(256)))), 5, 1, 5)
    before = memory()
    batch = jax.jit(jax.vmap(tasks.sample))(jax.random.split(KEY, 8))
    assert batch.query[0].shape == (8, 25, 64, 64, 1)
    np.testing.assert_array_equal(tasks.images.take(jnp.asarray([7 * 2**15 + 5]))[0], 255)
    assert memory() - before < 300e6


def memory():
    """Bytes of this process that are in memory, pages of mapped files among them."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_tasks_larger_than_the_dataset_are_refused_in_a_sentence():
    data = numbered(3, 4)
    for arguments, words in [
        ((4, 1, 1), "ways must be at most the 3 classes there are; got 4"),
        ((2, 3, 2), "shots . queries must be at most the 4 images of a class; got 3 . 2"),
        ((2, 0, 2), r"shots must be at least 1; got 0\."),
    ]:
        with pytest.raises(ValueError, match=words):
            FewShot(data, *arguments)


def test_a_key_means_the_same_task_in_both_precisions():
    tasks = FewShot(numbered(9, 7), 3, 2, 2)
    drawn = []
    for wide in (False, True):
        with jax.enable_x64(wide):
            drawn.append(jax.device_get(tasks.sample(jax.random.key(8))))
    jax.tree.map(np.testing.assert_array_equal, *drawn)


def test_labels_are_one_hot_in_the_default_precision():
    _, labels = FewShot(numbered(3, 4), 2, 1, 1).sample(KEY).support
    assert labels.dtype == jnp.zeros(()).dtype
