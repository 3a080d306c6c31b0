"""The datasets there are, as a table: what each is, where it comes from, and how it is read."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .cifar import parse_cifar
from .digits import load_digits
from .embeddings import parse_embeddings
from .glyphs import load_glyphs
from .omniglot import parse_minimal, parse_omniglot
from .photographs import parse_photographs
from .ratings import parse_jester, parse_movielens
from .tastes import load_tastes


@dataclasses.dataclass(frozen=True)
class Remote:
    """A file to download:

    its name, the addresses to try in turn, and its digest where published.
    """

    file: str
    urls: tuple[str, ...]
    digest: str | None = None


@dataclasses.dataclass(frozen=True)
class Source:
    """A dataset.

    **Fields:**

    - `about`, `licence`: for the reader.
    - `classes`: how many each split has, by which a dataset is recognised as whole; `None` where
      any number will do. Without entries there are three splits, of any number.
    - `make`: split → Dataset, for what needs no files.
    - `parse`: (files, split, new array, options) → (images, names), for what does.
    - `options`: what can be chosen: its values, the first of which is the default.
    - `remotes`: what to download; where there are none, `obtain` says whence the files come.
    - `parts`: of a folder, take only these subfolders and archives.
    - `folders`: other names of folders where it may be found.
    """

    about: str
    licence: str
    classes: Mapping[str, int | None]
    make: Callable | None = None
    parse: Callable | None = None
    options: Mapping[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)
    remotes: tuple[Remote, ...] = ()
    obtain: str = ""
    parts: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def _omniglot(part: str, digest: str) -> Remote:
    hosts = ("https://github.com/{}/raw/{}", "https://raw.githubusercontent.com/{}/{}")
    place = f"master/python/{part}.zip"
    urls = tuple(host.format("brendenlake/omniglot", place) for host in hosts)
    return Remote(f"{part}.zip", urls, digest)


def _movielens(file: str) -> Remote:
    return Remote(file, (f"https://files.grouplens.org/datasets/movielens/{file}",))


_IMAGENET = "ImageNet's terms: research only"
SOURCES: Mapping[str, Source] = {
    "digits": Source(
        about="8×8 scans of digits, in scikit-learn; classes 0–4 train, 5–9 test",
        licence="CC BY 4.0",
        classes={"train": 5, "test": 5},
        make=load_digits,
    ),
    "glyphs": Source(
        about="28×28 invented characters, drawn on the spot",
        licence="Apache-2.0",
        classes={"train": 240, "validation": 60, "test": 100},
        make=load_glyphs,
    ),
    "omniglot": Source(
        about="28×28 handwritten characters of 50 alphabets",
        licence="MIT",
        classes={},  # which depends on `by`: the number of characters tells, here and below
        parse=parse_omniglot,
        options={"by": ("characters", "alphabets"), "rotations": (False, True)},
        remotes=(
            _omniglot("images_background", "md5:68d2efa1b9178cc56df9314c21c6e718"),
            _omniglot("images_evaluation", "md5:6b91aef0f799c5bb55b94e3f2daec811"),
        ),
        parts=("images_background", "images_evaluation"),
    ),
    "omniglot-minimal": Source(
        about="the same of 8 alphabets, 242 characters",
        licence="MIT",
        classes={},
        parse=parse_minimal,
        options={"by": ("alphabets", "characters"), "rotations": (False, True)},
        remotes=(
            _omniglot(
                "images_background_small1",
                "sha256:f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
            ),
            _omniglot(
                "images_background_small2",
                "sha256:3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
            ),
        ),
        parts=("images_background_small1", "images_background_small2"),
        folders=("omniglot",),
    ),
    "miniimagenet": Source(
        about="84×84 photographs, 100 classes of 600 (Vinyals et al. 2016)",
        licence=_IMAGENET,
        classes={"train": 64, "validation": 16, "test": 20},
        parse=partial(
            parse_photographs,
            side=84,
            pickles=(
                "miniImageNet_category_split_train_phase_{}.pickle",
                "miniImageNet_category_split_{}.pickle",
            ),
        ),
        obtain="MetaOptNet's three pickles, or images with train.csv, val.csv and test.csv",
        folders=("miniImageNet", "mini-imagenet"),
    ),
    "tieredimagenet": Source(
        about="84×84 photographs, 608 classes (Ren et al. 2018)",
        licence=_IMAGENET,
        classes={"train": 351, "validation": 97, "test": 160},
        parse=partial(parse_photographs, side=84, pickles=()),
        obtain="{train,val,test}_images_png.pkl with {train,val,test}_labels.pkl",
        folders=("tieredImageNet", "tiered-imagenet"),
    ),
    "cifar-fs": Source(
        about="32×32 photographs, 100 classes of 600 (Bertinetto et al. 2019)",
        licence="none stated (CIFAR-100)",
        classes={"train": 64, "validation": 16, "test": 20},
        parse=partial(parse_photographs, side=32, pickles=("CIFAR_FS_{}.pickle",)),
        obtain="MetaOptNet's three pickles, or images with train.csv, val.csv and test.csv",
        folders=("CIFAR-FS", "CIFAR_FS"),
    ),
    "cifar-10": Source(
        about="32×32 photographs, 10 classes of 6,000 (Krizhevsky 2009); not for few-shot tasks",
        licence="none stated",
        classes={"train": 10, "test": 10},
        parse=parse_cifar,
        remotes=(
            Remote(
                "cifar-10-binary.tar.gz",
                ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
                "md5:c32a1d4ab5d03f1284b67883e8d87530",
            ),
        ),
        folders=("cifar-10-batches-bin", "CIFAR-10"),
    ),
    "leo-miniimagenet": Source(
        about="640 features of miniImageNet's photographs (Rusu et al. 2019)",
        licence="Apache-2.0",
        classes={"train": 64, "validation": 16, "test": 20},
        parse=partial(parse_embeddings, size=640),
        remotes=(
            Remote(
                "embeddings.zip", ("https://storage.googleapis.com/leo-embeddings/embeddings.zip",)
            ),
        ),
        folders=("leo", "embeddings"),
    ),
    "tastes": Source(
        about="ratings of 100 invented songs by invented users, drawn on the spot",
        licence="Apache-2.0",
        classes={"train": 400, "test": 100},
        make=load_tastes,
    ),
    "movielens-100k": Source(
        about="ratings of the 100 most rated films by users with 20 or more (GroupLens)",
        licence="GroupLens's terms: research, no redistribution",
        classes={"train": 475, "test": 100},
        parse=partial(parse_movielens, file="u.data", separator=None),
        remotes=(_movielens("ml-100k.zip"),),
        folders=("ml-100k",),
    ),
    "movielens-1m": Source(
        about="the same of a million ratings (GroupLens)",
        licence="GroupLens's terms: research, no redistribution",
        classes={"train": None, "test": 100},
        parse=partial(parse_movielens, file="ratings.dat", separator="::"),
        remotes=(_movielens("ml-1m.zip"),),
        folders=("ml-1m",),
    ),
    "jester-1": Source(
        about="ratings of 100 jokes by users with 36 or more (Goldberg et al. 2001)",
        licence="for research, with acknowledgement",
        classes={"train": None, "test": 100},
        parse=parse_jester,
        obtain="Jester's sheets jester-data-1, -2 and -3, each saved as .csv",
        folders=("jester",),
    ),
}
