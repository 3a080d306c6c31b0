"""Embeddings of miniImageNet by a network trained in advance (Rusu et al. 2019, LEO)."""

import numpy as np

from .archives import Files
from .errors import DamagedFile, DataError
from .photographs import arranged
from .store import NewArray
from .unpickle import load_pickle


def parse_embeddings(
    files: Files, split: str, new: NewArray, *, size: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The embeddings of a split's photographs, cropped at the centre: float32 (classes, n, size).

    The class of each is the middle of its key, as in `1-n01532829-n01532829_5.jpg`.
    """
    short = {"train": "train", "validation": "val", "test": "test"}[split]
    path = files.find(f"miniImageNet/center/{short}_embeddings.pkl")
    path = path or files.find(f"{short}_embeddings.pkl")
    if path is None:
        raise DataError(f"{files.where} has no {short}_embeddings.pkl.")
    with files.open(path) as stream:
        content = load_pickle(stream, f"{path} in {files.where}")
    if not (isinstance(content, dict) and {"keys", "embeddings"} <= content.keys()):
        raise DamagedFile(f"{path} in {files.where} is no dict with 'keys' and 'embeddings'")
    keys, embeddings = content["keys"], np.asarray(content["embeddings"])
    if embeddings.dtype.kind != "f" or embeddings.shape != (len(keys), size):
        raise DamagedFile(f"'embeddings' in {path} is no array of {len(keys)} times {size} numbers")
    if not np.isfinite(embeddings).all():
        raise DamagedFile(f"'embeddings' in {path} has entries that are no numbers")
    by_class: dict[str, list[int]] = {}
    for number, key in enumerate(keys):
        parts = (key.decode("latin1") if isinstance(key, bytes) else str(key)).split("-")
        if len(parts) != 3:
            raise DamagedFile(f"the key {key!r} in {path} does not name a class")
        by_class.setdefault(parts[1], []).append(number)
    return arranged(by_class, lambda i: embeddings[i].astype(np.float32), new)
