"""Pads to draw characters on: one for each class, and one for what is asked."""

from pathlib import Path

import anywidget
import numpy as np
import traitlets

_STYLE = """
.comlnviz-pads { display: flex; flex-wrap: wrap; gap: 8px; }
.comlnviz-pads figure { margin: 0; text-align: center; font-size: 13px; }
.comlnviz-pads canvas { width: 112px; height: 112px; border: 3px solid; border-radius: 4px;
  touch-action: none; cursor: crosshair; display: block; }
.comlnviz-pads figcaption { font-weight: bold; }
.comlnviz-pads button { font-size: 11px; }
"""
SIDE = 28


class Pads(anywidget.AnyWidget):
    """Draw with mouse, pen or finger; `images` are what has been drawn.

    **Arguments:**

    - `names`, `colours`: of each pad.
    """

    _esm = (Path(__file__).parent / "pads.js").read_text(encoding="utf-8")
    _css = _STYLE

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    colours = traitlets.List(traitlets.Unicode()).tag(sync=True)
    # What comes over the wire is a memoryview.
    ink = traitlets.Bytes().tag(sync=True, from_json=lambda value, _: bytes(value))

    def __init__(self, names: list[str], colours: list[str]) -> None:
        super().__init__(names=names, colours=colours, ink=bytes(len(names) * SIDE * SIDE))

    @property
    def images(self) -> np.ndarray:
        """Ink 1 on 0, float32, (pads, 28, 28, 1)."""
        pixels = np.frombuffer(bytes(self.ink), np.uint8).reshape(len(self.names), SIDE, SIDE, 1)
        return pixels.astype(np.float32) / 255

    @images.setter
    def images(self, images: np.ndarray) -> None:
        self.ink = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8).tobytes()
