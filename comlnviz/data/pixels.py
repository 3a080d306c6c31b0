"""Image files from strangers, decoded by Pillow to uint8 arrays."""

import io
import warnings
from typing import Any

import numpy as np

from .errors import DamagedFile, require

MAX_PIXELS = 50_000_000


def decode(data: bytes, name: str, *, side: int, channels: int) -> np.ndarray:
    """The image as uint8 (side, side, channels), 1 channel for grey and 3 for red, green, blue.

    An image of another size is resized, without keeping its proportions, by Pillow's bilinear
    filter, which averages over the area that a pixel covers.

    **Raises** `DamagedFile`, with the file's `name`, for what is no PNG or JPEG image of at most
    `MAX_PIXELS`, which is looked up before it is decoded; `DataError` without Pillow.
    """
    require("PIL")
    from PIL import Image

    wrong: Any = (OSError, ValueError, SyntaxError, MemoryError, EOFError,
                  Image.DecompressionBombError)  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width}×{image.height} pixels")
        image = image.convert("L" if channels == 1 else "RGB")
        if image.size != (side, side):
            image = image.resize((side, side), Image.Resampling.BILINEAR)
    except wrong as error:
        raise DamagedFile(f"{name} is no image of a plausible size ({error})") from error
    return np.asarray(image, np.uint8).reshape(side, side, channels)
