"""Files from strangers that are damaged or mean harm."""

import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import published_formats
import pytest

from comlnviz.data import DataError, archives, load, pixels, store, unpickle
from comlnviz.data.errors import DamagedFile


def unpickled(data, **settings):
    return unpickle.load_pickle(io.BytesIO(data), "strange.pickle", **settings)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_arrays_dicts_lists_strings_and_numbers_are_admitted(protocol):
    content = {
        "data": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        "fortran": np.asfortranarray(np.eye(3)),
        "big-endian": np.arange(3, dtype=">i4"),
        "names": np.array(["a", "bc"]),
        "objects": np.array([b"x", "yz", 3], object),
        "labels": [1, 2.5, True, None, (3, "ä"), b"\xff"],
        "scalar": np.float32(1.5),
    }
    read = unpickled(pickle.dumps(content, protocol=protocol))
    assert read.keys() == content.keys()
    for name in ("data", "fortran", "big-endian", "names", "objects"):
        np.testing.assert_array_equal(read[name], content[name])
    assert read["labels"] == content["labels"] and read["scalar"] == 1.5


class Calls:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("function", [os.system, eval, getattr, np.load, np.fromfile, Path])
def test_a_pickle_that_calls_something_is_refused_and_nothing_is_called(function, tmp_path):
    mark = tmp_path / "was-here"
    argument = f"touch {mark}" if function is os.system else str(mark)
    with pytest.raises(DamagedFile, match=r"asks for [\w.]+, and data needs no code"):
        unpickled(pickle.dumps({"data": Calls(function, argument)}))
    assert not mark.exists()


def test_a_hostile_pickle_in_place_of_a_dataset_is_refused(tmp_path):
    mark = tmp_path / "was-here"
    path = tmp_path / "CIFAR_FS_train.pickle"
    path.write_bytes(pickle.dumps({"data": Calls(os.system, f"touch {mark}"), "labels": []}))
    with pytest.raises(DataError, match=r"asks for \w+.system, and data needs no code"):
        load("cifar-fs", folder=tmp_path)
    assert not mark.exists()


def test_object_arrays_forged_from_bytes_are_refused():
    forged = pickle.dumps(np.arange(4, dtype=np.int64), protocol=2).replace(b"i8", b"O8")
    with pytest.raises(DamagedFile):
        unpickled(forged)


def test_a_pickle_cut_short_anywhere_is_damaged():
    whole = pickle.dumps({"data": np.arange(50), "labels": list(range(9))})
    for length in range(0, len(whole) - 1, 7):
        with pytest.raises(DamagedFile, match=r"strange\.pickle"):
            unpickled(whole[:length])


def test_a_pickle_that_claims_to_be_huge_is_refused_before_memory_is_taken():
    claim = b"\x80\x04\x8e" + (2**31).to_bytes(8, "little")  # BINBYTES8
    with pytest.raises(DamagedFile, match="asks for more than the 1,000 bytes a pickle may have"):
        unpickled(claim, max_bytes=1000)


def opened(path, scratch):
    with archives.open_files(path, (), scratch) as files:
        return {name: files.read(name) for name in files.names}


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def write_tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("suffix, mode", [(".zip", ""), (".tar", "w"), (".tar.gz", "w:gz"),
                                          (".tgz", "w:gz"), (".tar.xz", "w:xz")])  # fmt: skip
def test_archives_are_read_and_leave_nothing_behind(suffix, mode, tmp_path):
    path, members = tmp_path / f"a{suffix}", {"x/one": b"1", "x/y/two": b"22"}
    if suffix == ".zip":
        write_zip(path, members)
    else:
        write_tar(path, members, mode)
    assert opened(path, tmp_path / "scratch") == members
    assert not list(tmp_path.glob("scratch/*"))


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "x/../../evil", "C:evil", "x\\..\\evil"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_member_outside_of_its_archive(name, kind, tmp_path):
    path = tmp_path / "inner" / f"a.{kind}"
    path.parent.mkdir()
    (write_zip if kind == "zip" else lambda p, m: write_tar(p, m, "w"))(path, {name: b"evil"})
    with pytest.raises(DamagedFile, match="has a member outside of it"):
        opened(path, tmp_path / "inner" / "scratch")
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_no_links_nor_devices_in_a_tar(kind, tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DamagedFile, match="holds a link, 'link', and is not trusted"):
        opened(path, tmp_path / "scratch")


def test_no_links_in_a_zip(tmp_path):
    path = tmp_path / "a.zip"
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DamagedFile, match="holds a link"):
        opened(path, tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_decompression_bombs_do_not_go_off(kind, tmp_path):
    path = tmp_path / f"a.{kind}"
    zeros = b"\0" * (64 * 2**20)
    (write_zip if kind == "zip" else write_tar)(path, {"zeros": zeros})
    with pytest.raises(DamagedFile, match="expands to more than an archive of data would"):
        opened(path, tmp_path / "scratch")
    assert not list(tmp_path.glob("scratch/*"))


def test_a_zip_that_lies_about_its_sizes_is_damaged(tmp_path):
    path = tmp_path / "a.zip"
    write_zip(path, {"zeros": bytes(10_000)})
    data = path.read_bytes().replace((10_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    path.write_bytes(data)
    with pytest.raises(DamagedFile, match=r"zeros in .* is damaged"):
        opened(path, tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_archives_cut_short_are_damaged(kind, tmp_path):
    path = tmp_path / f"a.{kind}"
    noise = np.random.default_rng(0).bytes(20_000)
    (write_zip if kind == "zip" else write_tar)(path, {"noise": noise})
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(DamagedFile, match="is cut short or corrupt"):
        opened(path, tmp_path / "scratch")
    assert not list(tmp_path.glob("scratch/*"))


def test_an_image_of_absurd_size_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(pixels, "MAX_PIXELS", 99)
    data = published_formats.png(np.zeros((10, 10), np.uint8))
    with pytest.raises(DamagedFile, match=r"a.png is no image of a plausible size .10×10 pixels."):
        pixels.decode(data, "a.png", side=5, channels=1)
    with pytest.raises(DamagedFile, match=r"a.png is no image"):
        pixels.decode(data[:60], "a.png", side=5, channels=1)


def test_stored_arrays_that_are_damaged_are_named(tmp_path):
    folder = tmp_path / "arrays"

    def parse(new):
        images = new((2, 1, 3, 3, 1), np.uint8)
        images[:] = 7
        return images, ("a", "b")

    assert (store.stored(folder, parse).images == 7).all()
    path = folder / "images.npy"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DamagedFile, match="arrays is cut short or corrupt"):
        store.stored(folder, parse)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_parsing_that_breaks_off_leaves_nothing_that_looks_complete(error, tmp_path):
    def parse(new):
        images = new((2, 1, 3, 3, 1), np.uint8)
        images[:1] = 7
        raise error

    folder = tmp_path / "data" / "arrays"
    with pytest.raises(error):
        store.stored(folder, parse)
    assert list(folder.parent.iterdir()) == []
