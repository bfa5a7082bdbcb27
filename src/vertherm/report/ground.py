"""An image that fills its axes, brought to the pixels of the picture once: several times as fast as ``Axes.imshow``."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from numpy.typing import NDArray
from PIL import Image


class Ground(Artist):
    """Samples on the whole of the axes, the outermost ones on its edges.

    Args:
        pixels: uint8, greys (nv, nu) or RGBA (nv, nu, 4); row 0 is the bottom.
        smooth: linear between samples; False: the nearest sample.
        zorder: among the other artists.
    """

    def __init__(self, pixels: NDArray[np.uint8], *, smooth: bool = True, zorder: float = 0.0) -> None:
        super().__init__()
        self.pixels, self.smooth = pixels, smooth
        self.set_zorder(zorder)

    def draw(self, renderer: RendererBase) -> None:
        """Paint the samples over the axes."""
        ax = self.axes
        if not isinstance(ax, Axes) or not self.get_visible():
            return
        left, bottom, right, top = (round(float(edge)) for edge in ax.bbox.extents)
        rows, columns = self.pixels.shape[:2]
        how = Image.Resampling.BILINEAR if self.smooth else Image.Resampling.NEAREST
        # From the middle of the outermost samples on: there the edges lie.
        box = (0.5, 0.5, columns - 0.5, rows - 0.5)
        fitted = Image.fromarray(self.pixels).resize((right - left, top - bottom), how, box).convert("RGBA")
        # A copy: the renderer refuses what it could not write to.
        image: Any = np.array(fitted)
        renderer.draw_image(renderer.new_gc(), left, bottom, image)
