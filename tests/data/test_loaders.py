"""Every dataset is read as published, and recognised when it is not whole."""

import dataclasses
import hashlib
import subprocess
import sys
import zipfile

import numpy as np
import published_formats
import pytest

from comlnviz.data import DataError, load, sources
from comlnviz.data import omniglot as omniglot_module


@pytest.fixture
def small(monkeypatch):
    """Let a dataset have fewer classes than it has."""

    def allow(name, classes=None):
        source = dataclasses.replace(sources.SOURCES[name], classes=classes or {})
        monkeypatch.setitem(sources.SOURCES, name, source)

    return allow


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    theirs = load_digits()
    for split, classes in [("train", range(5)), ("test", range(5, 10))]:
        ours = load("digits", split=split)
        assert ours.names == tuple(str(c) for c in classes)
        for c, images in zip(classes, ours.images, strict=True):
            reference = theirs.images[theirs.target == c][: len(images)]
            np.testing.assert_array_equal(images[..., 0], np.rint(reference * 255 / 16))


def test_glyphs_are_the_same_for_everyone():
    images = load("glyphs", split="validation").images
    assert images.shape == (60, 20, 28, 28, 1) and images.dtype == np.uint8
    digest = hashlib.sha256(images.tobytes()).hexdigest()
    assert digest == "44ad2e1c7b50d720b13fa56af65814488a578d238d9abe80ebcfdbadac8cd89d"


def test_glyphs_can_be_told_apart_by_their_pixels():
    images = load("glyphs", split="test").images[..., 0] / 255
    first, rest = images[:, :5].mean(1).reshape(100, -1), images[:, 5:].reshape(-1, 784)
    nearest = ((rest[:, None] - first) ** 2).sum(-1).argmin(1)
    right = (nearest == np.repeat(np.arange(100), 15)).mean()
    assert 0.3 < right < 0.95  # of 100 classes: neither impossible nor trivial


def test_the_splits_of_glyphs_share_no_character():
    names = [set(load("glyphs", split=s).names) for s in ("train", "validation", "test")]
    assert len(set.union(*names)) == sum(map(len, names)) == 400


def test_omniglots_minimal_splits_have_disjoint_alphabets(published):
    alphabets, count = [], 0
    for split in ("train", "validation", "test"):
        data = load("omniglot-minimal", split=split, folder=published / "omniglot")
        assert data.images.shape[1:] == (20, 28, 28, 1) and data.images.dtype == np.uint8
        assert 0.02 < (data.images > 127).mean() < 0.2, "ink is bright and rare"
        alphabets.append({name.split()[0] for name in data.names})
        count += len(data.names)
    assert count == 242
    assert len(set.union(*alphabets)) == sum(map(len, alphabets)) == 8


def test_omniglots_minimal_splits_by_characters_have_the_full_ones_proportions(published):
    folder = published / "omniglot"
    split = lambda s: load("omniglot-minimal", split=s, folder=folder, by="characters").names
    train, validation, test = map(split, ("train", "validation", "test"))
    assert [len(train), len(validation), len(test)] == [164, 14, 64]
    assert len({*train, *validation, *test}) == 242
    alphabets = lambda names: {name.split()[0] for name in names}
    assert alphabets(train) >= alphabets(test), "none is new"


def test_rotated_characters_are_classes_of_their_own(published):
    plain = load("omniglot-minimal", split="validation", folder=published / "omniglot")
    turned = load(
        "omniglot-minimal", split="validation", folder=published / "omniglot", rotations=True
    )
    assert turned.images.shape[0] == 4 * 17
    np.testing.assert_array_equal(turned.images[::4], plain.images)
    np.testing.assert_array_equal(turned.images[5], np.rot90(plain.images[1], 1, (1, 2)))
    assert turned.names[:2] == ("Tagalog character01", "Tagalog character01 turned 90°")


def test_data_is_found_where_the_environment_says(published, monkeypatch):
    monkeypatch.setenv("COMLNVIZ_DATA", str(published))
    assert load("omniglot-minimal", split="validation").names[0] == "Tagalog character01"


def test_full_omniglot_is_split_by_characters_or_by_alphabets(tmp_path, monkeypatch):
    background = {f"Alphabet_{c}": 2 for c in "ABCDEFG"}
    parts = {"images_background": background, "images_evaluation": {"Alphabet_Z": 3}}
    published_formats.omniglot(tmp_path, parts)
    monkeypatch.setattr(omniglot_module, "_CHARACTERS", 17)
    usual = {"train": (0, 10), "validation": (10, 13), "test": (13, 17)}
    monkeypatch.setattr(omniglot_module, "_USUAL", usual)
    split = lambda **options: {
        s: load("omniglot", split=s, folder=tmp_path, **options).names for s in usual
    }
    characters = split()
    assert [len(names) for names in characters.values()] == [10, 3, 4]
    assert len({name for names in characters.values() for name in names}) == 17
    alphabets = {s: {n.split()[0][-1] for n in names} for s, names in split(by="alphabets").items()}
    assert alphabets == {"train": {*"AB"}, "validation": {*"CDEFG"}, "test": {"Z"}}


def test_an_omniglot_that_is_not_whole_is_told(tmp_path, monkeypatch):
    parts = {"images_background": {"A": 1}, "images_evaluation": {"B": 1}}
    published_formats.omniglot(tmp_path, parts, drawings=2)
    with pytest.raises(DataError, match=r"has 2 of the 1,623 characters: delete it and run"):
        load("omniglot", folder=tmp_path)
    monkeypatch.setattr(omniglot_module, "_CHARACTERS", 2)
    with pytest.raises(DataError, match=r"A character01 in .* has 2 drawings in place of 20"):
        load("omniglot", folder=tmp_path, by="alphabets", split="validation")


@pytest.mark.parametrize(
    "name, side, pattern",
    [
        ("miniimagenet", 84, "miniImageNet_category_split_train_phase_{}.pickle"),
        ("cifar-fs", 32, "data/CIFAR_FS_{}.pickle"),
    ],
)
def test_metaoptnets_pickles(name, side, pattern, tmp_path, small):
    small(name)
    for split, short in published_formats.SHORT.items():
        images = published_formats.photographs(3, 4, side)
        published_formats.metaoptnet(tmp_path / pattern.format(short), images, 4)
        data = load(name, split=split, folder=tmp_path)
        np.testing.assert_array_equal(data.images, images.reshape(3, 4, side, side, 3))
        assert data.names == ("0", "1", "2")


def test_tieredimagenets_pickles_of_png_files(tmp_path, small):
    small("tieredimagenet")
    images = published_formats.photographs(1, 7, 84)
    published_formats.tiered(tmp_path, "val", images, [5, 5, 9, 9, 9, 5, 9])
    data = load("tieredimagenet", split="validation", folder=tmp_path)
    assert data.names == ("5", "9") and data.images.shape == (2, 3, 84, 84, 3)
    np.testing.assert_array_equal(data.images[0], images[[0, 1, 5]])
    np.testing.assert_array_equal(data.images[1], images[[2, 3, 4]])


@pytest.mark.parametrize("archived", [False, True])
def test_images_with_a_table_in_a_folder_and_in_an_archive(archived, tmp_path, small):
    small("miniimagenet")
    images = published_formats.photographs(2, 2, 84)
    folder = tmp_path / "miniimagenet"
    published_formats.ravi(folder, "test", images, ["n01", "n02", "n01", "n02"])
    if archived:
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            for path in folder.rglob("*.*"):
                archive.write(path, path.relative_to(tmp_path))
        folder = tmp_path / "all.zip"
    data = load("miniimagenet", split="test", folder=folder)
    assert data.names == ("n01", "n02")
    np.testing.assert_array_equal(data.images, images.reshape(2, 2, 84, 84, 3).swapaxes(0, 1))


def test_larger_images_are_resized(tmp_path, small):
    small("cifar-fs")
    grey = np.full((2, 100, 60, 3), 77, np.uint8)
    published_formats.ravi(tmp_path, "train", grey, ["a", "b"])
    data = load("cifar-fs", folder=tmp_path)
    assert data.images.shape == (2, 1, 32, 32, 3) and (data.images == 77).all()


def test_cifar_10_is_records_of_a_label_and_three_planes(tmp_path):
    random = np.random.default_rng(0)
    photographs = random.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    planes = photographs.transpose(0, 3, 1, 2).reshape(20, -1)
    labels = np.tile(np.arange(10, dtype=np.uint8), 2)
    path = tmp_path / "cifar-10-batches-bin" / "test_batch.bin"
    path.parent.mkdir()
    path.write_bytes(np.column_stack([labels, planes]).tobytes())
    data = load("cifar-10", split="test", folder=tmp_path)
    assert data.names[3] == "cat" and data.images.shape == (10, 2, 32, 32, 3)
    np.testing.assert_array_equal(data.images[3], photographs[[3, 13]])
    with pytest.raises(DataError, match=r"has no data_batch_1\.bin"):
        load("cifar-10", split="train", folder=tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="not made of records of 3,073 bytes"):
        load("cifar-10", split="test", folder=tmp_path)
    path.write_bytes(np.column_stack([labels + 1, planes]).tobytes())
    with pytest.raises(DataError, match="has a label 10; there are 10"):
        load("cifar-10", split="test", folder=tmp_path)


def test_leos_embeddings_are_features_by_class(tmp_path, small):
    small("leo-miniimagenet")
    embeddings = published_formats.leo(tmp_path / "embeddings/miniImageNet/center", "train", 3, 2)
    data = load("leo-miniimagenet", folder=tmp_path)
    assert data.images.shape == (3, 2, 640) and data.images.dtype == np.float32
    np.testing.assert_allclose(data.images[1], embeddings[[1, 4]].astype(np.float32))


def test_a_dataset_with_classes_missing_is_refused(tmp_path):
    path = tmp_path / "CIFAR_FS_train.pickle"
    published_formats.metaoptnet(path, published_formats.photographs(3, 2, 32), 2)
    with pytest.raises(DataError, match="has 3 classes in place of 64: delete it and put there a"):
        load("cifar-fs", folder=tmp_path)


@pytest.mark.parametrize(
    "content, words",
    [
        ([1, 2], "is no dict with 'data' and 'labels'"),
        ({"data": np.zeros((2, 32, 32), np.uint8), "labels": [0, 1]}, "no uint8 array of 32×32"),
        ({"data": np.zeros((2, 32, 32, 3)), "labels": [0, 1]}, "no uint8 array of 32×32"),
        ({"data": np.zeros((2, 32, 32, 3), np.uint8), "labels": [0]}, "one label for each of 2"),
    ],
)
def test_a_pickle_of_something_else_is_refused(content, words, tmp_path):
    import pickle

    (tmp_path / "CIFAR_FS_train.pickle").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=words):
        load("cifar-fs", folder=tmp_path)


def test_wrong_names_splits_and_options_are_refused_in_a_sentence(tmp_path):
    for arguments, words in [
        (dict(name="mnist"), "There is no dataset 'mnist'; there are digits, glyphs, omniglot,"),
        (dict(name="digits", split="validation"), "split must be 'train' or 'test'; got 'valida"),
        (dict(name="glyphs", split="dev"), "split must be 'train', 'validation' or 'test'; got"),
        (dict(name="omniglot", by="colour"), "by must be 'characters' or 'alphabets'; got 'colou"),
        (dict(name="glyphs", rotations=True), "glyphs has no option 'rotations'; it has none"),
    ]:
        with pytest.raises(ValueError, match=words):
            load(**arguments)
    with pytest.raises(DataError, match="nowhere is neither a folder nor a zip or tar archive"):
        load("omniglot", folder=tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"is not on this computer: run `comlnviz data get omniglo"):
        load("omniglot")
    with pytest.raises(DataError, match=r"computer: put MetaOptNet's .*cifar-fs, or set COMLNVIZ"):
        load("cifar-fs")
    with pytest.raises(DataError, match=r"has none of CIFAR_FS_train.pickle, train_images_png.pkl"):
        (tmp_path / "empty").mkdir()
        load("cifar-fs", folder=tmp_path / "empty")


def test_a_large_dataset_is_mapped_into_memory(tmp_path, small, monkeypatch):
    from comlnviz.data import store

    small("cifar-fs")
    published_formats.metaoptnet(
        tmp_path / "CIFAR_FS_train.pickle", published_formats.photographs(2, 2, 32), 2
    )
    assert not isinstance(load("cifar-fs", folder=tmp_path).images, np.memmap)
    monkeypatch.setattr(store, "MAP_BYTES", 1000)
    images = load("cifar-fs", folder=tmp_path).images
    assert isinstance(images, np.memmap) and not images.flags.writeable


def test_the_second_load_reads_no_archive_and_new_files_are_noticed(tmp_path, small, monkeypatch):
    from comlnviz.data import load as function

    small("cifar-fs")
    path = tmp_path / "files" / "CIFAR_FS_train.pickle"
    first = published_formats.photographs(2, 2, 32)
    published_formats.metaoptnet(path, first, 2)
    load("cifar-fs", folder=path.parent)
    module = sys.modules[function.__module__]
    opened, open_files = [], module.open_files
    monkeypatch.setattr(module, "open_files", lambda *a: opened.append(a) or open_files(*a))
    load("cifar-fs", folder=path.parent)
    assert not opened
    published_formats.metaoptnet(path, published_formats.photographs(3, 2, 32), 2)
    assert len(load("cifar-fs", folder=path.parent).names) == 3 and opened


def test_importing_the_data_room_loads_numpy_alone():
    code = "import sys, comlnviz.data; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert "numpy" in loaded.split()
    assert {"jax", "sklearn", "PIL", "pooch", "matplotlib", "tqdm"}.isdisjoint(loaded.split())
