"""Characters of an alphabet that nobody writes, drawn by NumPy: nothing to download.

Everybody gets the same bits. The random numbers come from `Generator.random` only, whose stream
NumPy keeps; positions are rounded to a 64th of a pixel before they are compared; and the rest is
made of +, −, ×, ÷ and √, which IEEE 754 rounds the same way everywhere (sin and exp are not).
"""

import functools

import numpy as np

from .dataset import Dataset

_CLASSES, _DRAWINGS, _SIDE = 400, 20, 28
_SPLITS = {"train": (0, 240), "validation": (240, 300), "test": (300, 400)}
_UNITS = 64  # a pixel in units of position
_SAMPLES = 64  # points along a stroke: about two a pixel
_REACH = 2  # how many pixels to each side of a point its ink can go
_SEED = 2022


def load_glyphs(split: str) -> Dataset:
    """400 invented characters with 20 drawings each, uint8 28×28, ink 255 on 0.

    A character is two to four strokes, each a cubic Bézier curve: straight, bowed, curled or
    closed. A drawing moves its control points, slants, stretches and shifts it, and takes another
    pen. The splits train, validation and test hold 240, 60 and 100 characters.
    """
    start, stop = _SPLITS[split]
    images = np.stack([_drawings(number) for number in range(start, stop)])
    images.flags.writeable = False
    return Dataset(images[..., None], tuple(f"glyph {number}" for number in range(start, stop)))


@functools.lru_cache(maxsize=_CLASSES)
def _drawings(number: int) -> np.ndarray:
    """The drawings of one character: uint8 (20, 28, 28)."""
    rng = np.random.Generator(np.random.PCG64([_SEED, number]))
    return _rasterize(*_write(rng, _alphabet()[number]))


@functools.cache
def _alphabet() -> tuple[np.ndarray, ...]:
    """The characters, no two of which lie alike: of the cells they touch, three in ten differ."""
    rng = np.random.Generator(np.random.PCG64(_SEED))
    characters, touched = [], np.zeros((_CLASSES, 64), bool)
    while len(characters) < _CLASSES:
        strokes = _skeleton(rng)
        ink = _bezier(strokes, np.arange(33) / 32).reshape(-1, 2)
        column, row = np.minimum(np.floor(ink * 8).astype(int), 7).clip(0).T
        cells = np.zeros(64, bool)
        cells[8 * row + column] = True
        earlier = touched[: len(characters)]
        alike = 10 * (earlier & cells).sum(1) > 7 * (earlier | cells).sum(1)
        narrow = np.ptp(ink, 0).min() < 0.3
        if not (narrow or alike.any()):
            touched[len(characters)] = cells
            characters.append(strokes)
    return tuple(characters)


def _skeleton(rng: np.random.Generator) -> np.ndarray:
    """Control points of the strokes, (strokes, 4, 2) in the unit square, x to the right, y down.

    Ends lie on a lattice of 3×4 places, and most strokes start at an end or the middle of an
    earlier one: scripts are made like that.
    """
    strokes, anchors = [], []
    count = 2 + int(rng.random() * 2.6)
    while len(strokes) < count:
        free = not anchors or rng.random() < 0.3
        start = _place(rng) if free else anchors[int(rng.random() * len(anchors))]
        stroke = _stroke(rng, start, _place(rng))
        if stroke is None or any(_alike(stroke, other) for other in strokes):
            continue
        strokes.append(stroke)
        anchors += [start, stroke[3], _bezier(stroke, np.array([0.5]))[0]]
    return _fitted(np.stack(strokes))


def _stroke(rng: np.random.Generator, start: np.ndarray, end: np.ndarray) -> np.ndarray | None:
    """One stroke, (4, 2), closed, straight, bowed or curled; `None` when it would be a dot."""
    along = end - start
    across = np.stack([-along[1], along[0]])
    kind, side = rng.random(), 1 if rng.random() < 0.5 else -1
    if (along * along).sum() < 0.12:
        return None
    if kind < 0.12:
        out, bend = 1.3 * along, side * 0.9 * across
        return np.stack([start, start + out + bend, start + out - bend, start])
    bow = 0.0 if kind < 0.45 else 0.4 + 0.5 * rng.random()
    bend, curl = side * bow * across, -1 if kind > 0.85 else 1
    return np.stack([start, start + along / 4 + bend, end - along / 4 + curl * bend, end])


def _place(rng: np.random.Generator) -> np.ndarray:
    return np.stack([int(rng.random() * 3) / 2, int(rng.random() * 4) / 3])


def _alike(stroke: np.ndarray, other: np.ndarray) -> bool:
    """Whether two strokes nearly cover each other, in either direction of writing."""
    times = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    one, two = _bezier(stroke, times), _bezier(other, times)
    return bool(min(np.abs(one - two).max(), np.abs(one - two[::-1]).max()) < 0.25)


def _fitted(strokes: np.ndarray) -> np.ndarray:
    """The character, moved and scaled so that its ink fills the unit square in its longer side."""
    ink = _bezier(strokes, np.arange(17) / 16)
    low, high = ink.min((0, 1)), ink.max((0, 1))
    return (strokes - (low + high) / 2) / (high - low).max() + 0.5


def _bezier(control: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Points of cubic Bézier curves: (…, 4, 2) and (n,) to (…, n, 2)."""
    t, s = times[:, None], 1 - times[:, None]
    p0, p1, p2, p3 = (control[..., i, None, :] for i in range(4))
    return s * s * s * p0 + 3 * s * s * t * p1 + 3 * s * t * t * p2 + t * t * t * p3


def _write(rng: np.random.Generator, strokes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """20 hands write the strokes: points in pixels (20, n, 2), and the pen's radius (20,)."""
    spread = lambda *shape: rng.random((_DRAWINGS, *shape)) + rng.random((_DRAWINGS, *shape)) - 1
    shaken = strokes + 0.1 * spread(*strokes.shape) + 0.07 * spread(len(strokes), 1, 2)
    points = _bezier(shaken, np.arange(_SAMPLES) / (_SAMPLES - 1)).reshape(_DRAWINGS, -1, 2)
    centred = points - 0.5
    slant, tilt = 0.4 * spread(1), 0.25 * spread(1)
    scale = 17.5 * (1 + 0.2 * spread(1, 2))
    x = centred[..., 0] - slant * centred[..., 1]
    y = centred[..., 1] + tilt * centred[..., 0]
    pixels = scale * np.stack([x, y], -1) + (_SIDE - 1) / 2 + 2.0 * spread(1, 2)
    return np.clip(pixels, 1, _SIDE - 2), 0.95 + 0.25 * spread()


def _rasterize(points: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Ink with an edge one pixel soft: the distance to the nearest point of a stroke decides."""
    position = np.rint(points * _UNITS).astype(np.int64)
    nearest = (position + _UNITS // 2) // _UNITS
    squared = np.full(len(points) * _SIDE * _SIDE, (9 * _UNITS) ** 2, np.int64)
    first = np.arange(len(points))[:, None] * _SIDE * _SIDE
    for row in range(-_REACH, _REACH + 1):
        for column in range(-_REACH, _REACH + 1):
            pixel = np.clip(nearest + np.array([column, row]), 0, _SIDE - 1)
            offset = pixel * _UNITS - position
            where = first + pixel[..., 1] * _SIDE + pixel[..., 0]
            distance = offset[..., 0] * offset[..., 0] + offset[..., 1] * offset[..., 1]
            np.minimum.at(squared, where, distance)
    distance = np.sqrt(squared.astype(np.float64)).reshape(len(points), _SIDE, _SIDE) / _UNITS
    ink = np.clip(radius[:, None, None] + 0.5 - distance, 0, 1)
    return np.rint(255 * ink).astype(np.uint8)
