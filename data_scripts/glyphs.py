"""The bank of digit glyphs: many typefaces, each as a field of distances.

Every glyph of matplotlib's own typefaces is kept in two forms. The outline
form holds the signed distance to the outline: thresholding it at another level
makes the stroke bolder or lighter and keeps the face's contrast. The pen form
holds the distance to the glyph's skeleton: thresholding it draws the figure
with a pen of constant width, which is what handwriting looks like.

Distances are in units of the glyph's height, so that they survive scaling.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

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
LOOKALIKE_FACES = ("DejaVuSans", "DejaVuSans-Oblique")


class Bank(NamedTuple):
    """All glyphs.

    Args:
        distances: float32 (G, SIDE, SIDE); negative inside the outline, or the
            distance to the skeleton; in units of the glyph's height.
        pen: bool (G,); whether the glyph is in its pen form.
        lookalike: bool (G,); whether the glyph is another sign, written alike.
        labels: int (G,); the digit.
    """

    distances: np.ndarray
    pen: np.ndarray
    lookalike: np.ndarray
    labels: np.ndarray


@cache
def bank() -> Bank:
    """Render the bank; a second or so."""
    distances, pen, lookalike, labels = [], [], [], []
    for digit, face, sign in signs():
        ink = rendered(face, sign)
        for is_pen in (False, True):
            distances.append(pen_distance(ink) if is_pen else outline_distance(ink))
            pen.append(is_pen)
            lookalike.append(sign != str(digit))
            labels.append(digit)
    return Bank(np.stack(distances).astype(np.float32), np.array(pen), np.array(lookalike), np.array(labels))


def signs():
    """(digit, typeface, character) of every glyph in the bank."""
    for face in FACES:
        # A dot inside the zero is a programmer's habit, not a writer's.
        for digit in range(1 if face.startswith("DejaVuSansMono") else 0, 10):
            yield digit, face, str(digit)
    for face in LOOKALIKE_FACES:
        for digit, characters in LOOKALIKES.items():
            for character in characters:
                yield digit, face, character


def rendered(face: str, sign: str) -> np.ndarray:
    """A character, HEIGHT pixels tall in the middle of its tile; bool (SIDE, SIDE), True where there is ink."""
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{face}.ttf")
    font = ImageFont.truetype(str(path), 200)
    left, top, right, bottom = font.getbbox(sign)
    large = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(large).text((-left, -top), sign, fill=255, font=font)
    width = max(3, round(large.width * HEIGHT / large.height))
    width = min(width, SIDE - 8)
    tile = Image.new("L", (SIDE, SIDE))
    tile.paste(large.resize((width, HEIGHT), Image.Resampling.BOX), ((SIDE - width) // 2, (SIDE - HEIGHT) // 2))
    return np.asarray(tile) >= 128


def outline_distance(ink: np.ndarray) -> np.ndarray:
    """Signed distance to the outline, negative inside; (SIDE, SIDE)."""
    outside, inside = ndimage.distance_transform_edt(~ink), ndimage.distance_transform_edt(ink)
    return np.where(ink, 0.5 - inside, outside - 0.5) / HEIGHT


def pen_distance(ink: np.ndarray) -> np.ndarray:
    """Distance to the skeleton; (SIDE, SIDE)."""
    return ndimage.distance_transform_edt(~skeleton(ink)) / HEIGHT


def skeleton(ink: np.ndarray) -> np.ndarray:
    """Thin a figure to lines one pixel wide.

    Reference: Zhang, Suen, "A fast parallel algorithm for thinning digital patterns" (1984).
    """
    ink = ink.astype(np.uint8)
    while True:
        before = ink
        for first in (True, False):
            # The eight neighbours, clockwise from the north: p2 … p9 of the paper.
            p = [np.roll(ink, shift, (0, 1)) for shift in
                 ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))]  # fmt: skip
            count = sum(p)
            rises = sum((a == 0) & (b == 1) for a, b in zip(p, p[1:] + p[:1], strict=True))
            n, e, s, w = p[0], p[2], p[4], p[6]
            free = (n * e * s == 0) & (e * s * w == 0) if first else (n * e * w == 0) & (n * s * w == 0)
            ink = ink & ~((2 <= count) & (count <= 6) & (rises == 1) & free).astype(np.uint8)
        if np.array_equal(ink, before):
            return ink.astype(bool)
