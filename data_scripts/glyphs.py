"""The bank of digit glyphs: many typefaces, each as a field of distances.

Every glyph of matplotlib's own typefaces is kept in two forms. The outline
form holds the signed distance to the outline: thresholding it at another level
makes the stroke bolder or lighter and keeps the face's contrast. The pen form
holds the distance to the glyph's skeleton: thresholding it draws the figure
with a pen of constant width, which is what handwriting looks like.

Distances are in units of the glyph's height, so that they survive scaling.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from data_scripts import hand

SIDE = 64  # pixels; tiles of the bank
HEIGHT = 36  # pixels; of a glyph in its tile, the rest is room for distortion

# Typefaces with upright Arabic numerals, by file name.
FACES = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique",
    "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique",
    "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic",
    "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta",
    "cmr10", "cmb10", "cmss10", "cmti10", "cmtt10",
)  # fmt: skip
# Signs that are written like a numeral: the plain stroke for 1, the open 4, …
LOOKALIKES = {
    0: ("O", "o"),
    1: ("l", "I", "|"),
    2: ("Z", "z"),
    3: ("З", "з", "Ʒ"),
    4: ("Ч", "ч"),
    5: ("S",),
    6: ("б", "b"),
    9: ("q",),
}
WRITINGS = 8  # of each handwritten figure
LOOKALIKE_FACES = ("DejaVuSans", "DejaVuSans-Oblique")


class Bank(NamedTuple):
    """All glyphs.

    Args:
        distances: float32 (G, SIDE, SIDE); to the outline, negative inside, or
            to the skeleton; in units of the glyph's height.
        labels: int (G,); the digit.
        styles: str (G,); "outline", "pen", "lookalike" (another sign that is
            written alike, with a pen) or "hand" (handwritten figures, with a pen).
    """

    distances: np.ndarray
    labels: np.ndarray
    styles: np.ndarray


@cache
def bank() -> Bank:
    """Render the bank; takes about a second, once per process."""
    styles, labels, images = zip(*glyphs(), strict=True)
    ink, styles = np.stack([scaled(image) for image in images]), np.array(styles)
    lines = skeletons(ink)
    measured = [
        outline_distance(figure) if style == "outline" else ndimage.distance_transform_edt(~line)
        for style, figure, line in zip(styles, ink, lines, strict=True)
    ]
    return Bank((np.stack(measured) / HEIGHT).astype(np.float32), np.array(labels), styles)


def glyphs() -> Iterator[tuple[str, int, Image.Image]]:
    """(style, digit, image cut to the ink) of every glyph in the bank."""
    for face in FACES:
        # A dot inside the zero is a programmer's habit, not a writer's.
        for digit in range(1 if face.startswith("DejaVuSansMono") else 0, 10):
            image = rendered(face, str(digit))
            yield "outline", digit, image
            yield "pen", digit, image
    for face in LOOKALIKE_FACES:
        for digit, signs in LOOKALIKES.items():
            for sign in signs:
                yield "lookalike", digit, rendered(face, sign)
    rng = np.random.default_rng(0)  # the bank is the same for every seed of the set
    for digit, figures in hand.FIGURES.items():
        for figure in figures:
            for _ in range(WRITINGS):
                yield "hand", digit, hand.written(figure, rng)


def rendered(face: str, sign: str) -> Image.Image:
    """A character of a typeface, 200 pixels large, cut to its ink."""
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{face}.ttf")
    font = ImageFont.truetype(str(path), 200)
    left, top, right, bottom = font.getbbox(sign)
    image = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(image).text((-left, -top), sign, fill=255, font=font)
    return image


def scaled(image: Image.Image) -> np.ndarray:
    """A glyph HEIGHT pixels tall in the middle of its tile; bool (SIDE, SIDE), True where there is ink."""
    width = max(3, round(image.width * HEIGHT / image.height))
    tile = Image.new("L", (SIDE, SIDE))
    small = image.resize((width, HEIGHT), Image.Resampling.BOX)
    tile.paste(small, ((SIDE - width) // 2, (SIDE - HEIGHT) // 2))
    return np.asarray(tile) >= 128


def outline_distance(ink: np.ndarray) -> np.ndarray:
    """Signed distance in pixels to the outline, negative inside; (SIDE, SIDE)."""
    outside, inside = ndimage.distance_transform_edt(~ink), ndimage.distance_transform_edt(ink)
    return np.where(ink, 0.5 - inside, outside - 0.5)


def skeletons(ink: np.ndarray) -> np.ndarray:
    """Thin figures to lines one pixel wide; bool (G, SIDE, SIDE) to the same.

    Reference: Zhang, Suen, "A fast parallel algorithm for thinning digital patterns" (1984).
    """
    ink = ink.astype(np.uint8)
    # The eight neighbours, clockwise from the north: p2 to p9 of the paper.
    steps = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))
    while True:
        before = ink
        for first in (True, False):
            p = [np.roll(ink, step, (1, 2)) for step in steps]
            count = sum(p)
            rises = sum((a < b).astype(np.uint8) for a, b in zip(p, p[1:] + p[:1], strict=True))
            n, e, s, w = p[0], p[2], p[4], p[6]
            free = (n & e & s) | (e & s & w) if first else (n & e & w) | (n & s & w)
            ink = ink & ~((2 <= count) & (count <= 6) & (rises == 1) & (free == 0))
        if np.array_equal(ink, before):
            return ink.astype(bool)
