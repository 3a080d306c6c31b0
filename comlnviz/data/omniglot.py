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
_CHARACTERS, _MINIMAL_CHARACTERS = 1623, 242
_USUAL = {"train": (0, 1100), "validation": (1100, 1200), "test": (1200, 1623)}  # of the 1623
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
    found = _characters(files, _CHARACTERS)
    if by == "characters":
        return _drawn(files, _shuffled(found, split), new, rotations)
    evaluation = {n for n, paths in found.items() if "images_evaluation/" in paths[0]}
    background = sorted({alphabet for alphabet, _ in found.keys() - evaluation})
    last = background[-5:]
    belongs = lambda n: "test" if n in evaluation else "validation" if n[0] in last else "train"
    chosen = {n: found[n] for n in sorted(found) if belongs(n) == split}
    return _drawn(files, chosen, new, rotations)


def parse_minimal(
    files: Files, split: str, new: NewArray, *, by: str, rotations: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The same of the authors' two small sets, by default five, one and two of their eight
    alphabets; `by="characters"` in the proportions of the full set.
    """
    found = _characters(files, _MINIMAL_CHARACTERS)
    if by == "characters":
        return _drawn(files, _shuffled(found, split), new, rotations)
    chosen = {n: found[n] for n in sorted(found) if n[0] in _MINIMAL[split]}
    return _drawn(files, chosen, new, rotations)


_Paths = dict[tuple[str, str], list[str]]  # of a character's drawings, by alphabet and character


def _shuffled(found: _Paths, split: str) -> _Paths:
    order = np.random.Generator(np.random.PCG64(_SEED)).permutation(len(found))
    start, stop = (bound * len(found) // _CHARACTERS for bound in _USUAL[split])
    names = sorted(found)
    return {names[i]: found[names[i]] for i in order[start:stop]}


def _characters(files: Files, number: int) -> _Paths:
    """All there are, which must be so many; of what is in both small sets, one copy."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for path in files.names:
        if match := _PATH.search(path):
            drawings = found.setdefault((match[1], match[2]), {})
            drawings.setdefault(path.rsplit("/", 1)[1], path)
    if len(found) != number:
        raise DamagedFile(f"{files.where} has {len(found):,} of the {number:,} characters")
    return {name: [d[file] for file in sorted(d)] for name, d in found.items()}


def _drawn(
    files: Files, found: _Paths, new: NewArray, rotations: bool
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
