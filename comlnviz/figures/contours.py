"""Level sets of a surface as one line, cheap enough to move with a slider."""

from typing import Any

import numpy as np
from contourpy import contour_generator
from jaxtyping import Float


def level_lines(
    x: Float[np.ndarray, " nx"],
    y: Float[np.ndarray, " ny"],
    z: Float[np.ndarray, "ny nx"],
    levels: Float[np.ndarray, " levels"] | None = None,
) -> Float[np.ndarray, "n 2"]:
    """Level sets, their pieces separated by NaN; a dozen unless given, closer together towards the
    minimum.
    """
    low, high = np.nanmin(z), np.nanmax(z)
    dozen = low + (high - low) * np.linspace(0, 1, 14)[1:-1] ** 2.5
    generator = contour_generator(x, y, z)
    gap = np.full((1, 2), np.nan)
    pieces: list[Any] = [
        p
        for level in (dozen if levels is None else levels)
        for line in generator.lines(level)
        for p in (line, gap)
    ]
    return np.concatenate(pieces) if pieces else gap
