"""A handwritten face: digits as the strokes that a pen makes.

Typefaces lack some of the figures that people write: the 2 with a loop, the
open 4, the crossed 7, the 8 in one line, the 6 with a low bowl. Here each is a
few strokes through given points, (x, y) from the top left of its box, y down.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

JITTER = 0.035  # how far a point may be off, standard deviation, in heights
SIZE = 200  # pixels; drawn large, scaled by whoever uses it
WIDTH_OF_BOX = 0.7  # in heights

Stroke = list[tuple[float, float]]
FIGURES: dict[int, list[list[Stroke]]] = {
    0: [
        [[(0.5, 0), (0.15, 0.25), (0.1, 0.65), (0.4, 1), (0.8, 0.75), (0.85, 0.3), (0.5, 0)]],
        [[(0.7, 0.1), (0.4, 0), (0.05, 0.4), (0.2, 0.95), (0.7, 0.95), (0.95, 0.5), (0.75, 0.1), (0.4, 0.05)]],
    ],
    1: [[[(0.5, 0), (0.5, 1)]], [[(0.25, 0.25), (0.55, 0)], [(0.55, 0), (0.5, 1)]]],
    2: [
        [[(0.15, 0.2), (0.45, 0), (0.8, 0.2), (0.6, 0.6), (0.2, 0.97), (0.05, 0.88), (0.2, 0.78), (0.5, 0.93), (0.95, 0.95)]],
        [[(0.1, 0.25), (0.4, 0), (0.8, 0.2), (0.6, 0.55), (0.1, 1)], [(0.1, 1), (0.95, 0.95)]],
        [[(0.05, 0.15), (0.5, 0), (0.75, 0.25), (0.55, 0.7), (0.25, 1), (0.15, 0.85), (0.5, 0.85), (1, 1)]],
    ],
    3: [
        [[(0.15, 0.1), (0.5, 0), (0.8, 0.2), (0.35, 0.47)], [(0.35, 0.47), (0.8, 0.6), (0.8, 0.85), (0.45, 1), (0.1, 0.88)]],
        [[(0.15, 0), (0.8, 0)], [(0.8, 0), (0.45, 0.4)], [(0.45, 0.4), (0.85, 0.65), (0.6, 0.98), (0.1, 0.92)]],
    ],
    4: [
        [[(0.2, 0), (0.1, 0.4), (0.2, 0.5), (0.9, 0.45)], [(0.8, 0.05), (0.7, 1)]],
        [[(0.15, 0.1), (0.15, 0.5), (0.45, 0.6), (0.8, 0.4)], [(0.85, 0), (0.8, 0.5), (0.75, 1)]],
        [[(0.6, 0), (0.05, 0.6)], [(0.05, 0.6), (0.95, 0.6)], [(0.65, 0.3), (0.55, 1)]],
    ],
    5: [
        [[(0.3, 0), (0.2, 0.42)], [(0.2, 0.42), (0.6, 0.4), (0.8, 0.65), (0.6, 0.95), (0.1, 0.95)], [(0.3, 0), (0.95, 0)]],
        [[(0.95, 0), (0.35, 0.05), (0.25, 0.4), (0.7, 0.5), (0.75, 0.8), (0.45, 1), (0.1, 0.9)]],
    ],
    6: [
        [[(0.65, 0), (0.3, 0.35), (0.12, 0.75), (0.4, 1), (0.78, 0.82), (0.6, 0.58), (0.17, 0.75)]],
        [[(0.85, 0.05), (0.35, 0.2), (0.1, 0.65), (0.4, 1), (0.85, 0.8), (0.65, 0.5), (0.15, 0.65)]],
        [[(0.3, 0), (0.2, 0.5), (0.2, 0.85), (0.5, 1), (0.8, 0.85), (0.65, 0.65), (0.25, 0.8)]],
    ],
    7: [
        [[(0.1, 0.05), (0.85, 0)], [(0.85, 0), (0.55, 0.5), (0.4, 1)]],
        [[(0.1, 0.05), (0.85, 0)], [(0.85, 0), (0.55, 0.5), (0.4, 1)], [(0.3, 0.52), (0.8, 0.48)]],
        [[(0.1, 0.25), (0.15, 0.05), (0.5, 0.05), (0.85, 0.02)], [(0.85, 0.02), (0.65, 0.5), (0.6, 1)]],
    ],
    8: [
        [[(0.75, 0.15), (0.45, 0), (0.2, 0.2), (0.5, 0.47), (0.75, 0.75), (0.45, 1), (0.2, 0.78), (0.5, 0.47), (0.75, 0.15)]],
        [[(0.8, 0.1), (0.45, 0), (0.2, 0.2), (0.55, 0.5), (0.7, 0.8), (0.4, 1), (0.2, 0.78), (0.55, 0.45), (0.9, 0.1)]],
        [[(0.7, 0.05), (0.35, 0.15), (0.4, 0.4), (0.6, 0.65), (0.5, 0.95), (0.3, 0.9), (0.4, 0.55), (0.7, 0.25), (0.7, 0.05)]],
    ],
    9: [
        [[(0.75, 0.15), (0.4, 0.02), (0.15, 0.25), (0.4, 0.45), (0.75, 0.2)], [(0.77, 0.12), (0.7, 0.6), (0.6, 1)]],
        [[(0.8, 0.2), (0.5, 0), (0.15, 0.2), (0.4, 0.48), (0.8, 0.2)], [(0.8, 0.2), (0.8, 0.7), (0.5, 1), (0.2, 0.92)]],
        [[(0.7, 0.05), (0.4, 0.05), (0.3, 0.25), (0.5, 0.35), (0.75, 0.1)], [(0.75, 0.08), (0.6, 0.5), (0.45, 1)]],
    ],
}  # fmt: skip


def written(strokes: list[Stroke], rng: np.random.Generator) -> Image.Image:
    """One writing of a figure, its points a little off each time; a grey image cut to the ink."""
    canvas = Image.new("L", (2 * SIZE, 2 * SIZE))
    drawing = ImageDraw.Draw(canvas)
    for stroke in strokes:
        points = np.array(stroke) * (WIDTH_OF_BOX, 1) + rng.normal(0, JITTER, (len(stroke), 2))
        line = [tuple(point) for point in (curve(points) + 0.5) * SIZE]
        drawing.line(line, fill=255, width=SIZE // 12, joint="curve")
    return canvas.crop(canvas.getbbox())


def curve(points: np.ndarray, steps: int = 12) -> np.ndarray:
    """A smooth line through the points: (P, 2) to (Q, 2).

    Reference: Catmull, Rom, "A class of local interpolating splines" (1974).
    """
    padded = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, steps)[:, None]
    pieces = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        pieces.append(b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))
    return np.concatenate(pieces)
