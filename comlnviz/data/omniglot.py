"""Omniglot: handwritten characters of 50 alphabets, 20 writers each (Lake et al. 2015)."""

import re
from typing import Any

import numpy as np

from .archives import Files
from .errors import DamagedFile
from .pixels import decode
from .store import NewArray

_SIDE, _DRAWINGS = 28, 20
_PATH = re.compile(r"(?:^|/)([^/]+)/(character\d+)/[^/]+\.png$")
_SEED = 0  # of the shuffle of characters
_CHARACTERS = 1623
_USUAL = {"train": (0, 1100), "validation": (1100, 1200), "test": (1200, 1623)}
_MINIMAL = {
    "train": ("Balinese", "Early_Aramaic", "Greek", "Japanese_(katakana)", "Latin"),
    "validation": ("Tagalog",),
    "test": ("Korean", "Sanskrit"),
}


def parse_omniglot(
    files: Files, split: str, new: NewArray, *, by: str, rotations: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The characters of a split as uint8 28×28, ink 255 on 0.

    - `by`: `"alphabets"`: the authors' evaluation alphabets are for testing, the last five of their
      background alphabets for validation; `"characters"`: all characters are shuffled, 1,200 for
      training, of which 100 for validation, and 423 for testing, as usual since Santoro et al.
      (2016), whose own shuffle is not known.
    - `rotations`: each character turned by 90, 180 and 270 degrees is a class of its own.
    """
    found = _characters(files)
    if len(found) != _CHARACTERS:
        raise DamagedFile(
            f"{files.where} has {len(found):,} of Omniglot's {_CHARACTERS:,} characters"
        )
    if by == "characters":
        order = np.random.Generator(np.random.PCG64(_SEED)).permutation(len(found))
        start, stop = _USUAL[split]
        names = sorted(found)
        chosen = [names[i] for i in order[start:stop]]
    else:
        evaluation = {n for n, paths in found.items() if "images_evaluation/" in paths[0]}
        background = sorted({alphabet for alphabet, _ in found.keys() - evaluation})
        last = background[-5:]
        belongs = lambda n: "test" if n in evaluation else "validation" if n[0] in last else "train"
        chosen = [n for n in sorted(found) if belongs(n) == split]
    return _drawn(files, {name: found[name] for name in chosen}, new, rotations)


def parse_minimal(
    files: Files, split: str, new: NewArray, *, rotations: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The same of the authors' two small sets: five, one and two of their eight alphabets."""
    found = _characters(files)
    chosen = [name for name in sorted(found) if name[0] in _MINIMAL[split]]
    return _drawn(files, {name: found[name] for name in chosen}, new, rotations)


def _characters(files: Files) -> dict[tuple[str, str], list[str]]:
    """The drawings' paths by (alphabet, character); of what is in both small sets, one copy."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for path in files.names:
        if match := _PATH.search(path):
            drawings = found.setdefault((match[1], match[2]), {})
            drawings.setdefault(path.rsplit("/", 1)[1], path)
    return {name: [d[file] for file in sorted(d)] for name, d in found.items()}


def _drawn(
    files: Files, found: dict[tuple[str, str], list[str]], new: NewArray, rotations: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    turns = (0, 1, 2, 3) if rotations else (0,)
    images: Any = new((len(found) * len(turns), _DRAWINGS, _SIDE, _SIDE, 1), np.uint8)
    names = []
    for number, (name, paths) in enumerate(found.items()):
        if len(paths) != _DRAWINGS:
            raise DamagedFile(
                f"{' '.join(name)} in {files.where} has {len(paths)} drawings in place of 20"
            )
        drawings = np.stack(
            [255 - decode(files.read(path), path, side=_SIDE, channels=1) for path in paths]
        )
        for turn in turns:
            images[number * len(turns) + turn] = np.rot90(drawings, turn, (1, 2))
            names.append(" ".join(name) + (f" turned {90 * turn}°" if turn else ""))
    return images, tuple(names)
