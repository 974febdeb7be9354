"""What a report shows of a deliverable beside its checks: figures, grids of images and notes.

Between the result and the pages: a page and a sheet of paper show the same blocks.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from grader.exhibits.curves import curves_of
from grader.exhibits.kinds import Curve, Curves, Exhibit, Mapped, Maps, Missing, Picture, Pictures, Rates
from grader.report.figures import Draw, Theme, draw_curves, draw_rates, summary
from grader.result import DeliverableResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLEND = 0.5  # share of the map in what lies over the image
COLOURS = "viridis"  # from dark blue to yellow: in order also for the colour-blind, and in grey
# Inches. On a phone, two axes stand one below the other.
CURVES_SIZE, CURVES_NARROW, RATES_SIZE = (8.4, 3.9), (4.6, 7.4), (5.8, 3.9)
UNMEASURED = "The submission's own record; the grader did not measure these numbers. "
VALIDATION = "HW3 validates on the test set: no choice may be made by these numbers. "


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Args:
        title: one line above it.
        note: below it.
        draw: fills an empty figure.
        size: inches.
        narrow: inches on a narrow screen.
        words: what it shows, for whoever cannot see it.
        remarks: what has to be said about single lines of it.
    """

    title: str
    note: str
    draw: Draw
    size: tuple[float, float]
    narrow: tuple[float, float]
    words: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One image of a grid, (H, W, 3), uint8, and the words below it."""

    image: np.ndarray
    caption: str

    def png(self, factor: int = 1) -> bytes:
        """The image as a file, each pixel `factor` wide and high."""
        content = io.BytesIO()
        pixels = self.image.repeat(factor, axis=0).repeat(factor, axis=1)
        Image.fromarray(pixels).save(content, format="PNG", optimize=True)
        return content.getvalue()


@dataclass(frozen=True)
class Grid:
    """Rows of small images, as long as each other.

    Args:
        title, note: as of a `Drawing`.
        rows: label and cells; a label may be empty.
    """

    title: str
    note: str
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Note:
    """What is not there, and why."""

    title: str
    note: str


Block = Drawing | Grid | Note


def blocks(deliverable: DeliverableResult) -> Iterator[Block]:
    """Everything to show of a deliverable beside its checks, in order."""
    training = deliverable.training
    if training is not None and training.epochs:
        count = len(training.epochs)
        note = (
            f"{count} epoch{'' if count == 1 else 's'} on {training.train_size:,} images in {training.seconds:.0f} s, measured "
            f"by the grader from logits. {VALIDATION}"
        )
        yield _curves("Training", note, curves_of(training), training.required_accuracy)
    for exhibit in deliverable.exhibits:
        yield _block(exhibit)


def _block(exhibit: Exhibit) -> Block:
    match exhibit:
        case Rates():
            words = "; ".join(summary(curve) for curve in exhibit.curves)
            ended = tuple(
                f"{curve.series}, {curve.against}: no rate from there on: {curve.ended}"
                for curve in exhibit.curves
                if curve.ended
            )

            def draw(figure: Figure, theme: Theme) -> None:
                draw_rates(figure, exhibit, theme)

            return Drawing(exhibit.title, exhibit.note, draw, RATES_SIZE, RATES_SIZE, words, ended)
        case Curves():
            note = (UNMEASURED if exhibit.claimed else "") + exhibit.note
            return _curves(exhibit.title, note, exhibit.curves, exhibit.required)
        case Pictures():
            rows = tuple(
                (row.label, tuple(Cell(_pixels(shown.picture), shown.caption) for shown in row.pictures))
                for row in exhibit.rows
            )
            return Grid(exhibit.title, exhibit.note, rows)
        case Maps():
            return Grid(exhibit.title, exhibit.note, tuple(("", tuple(_mapped(item))) for item in exhibit.items))
        case Missing():
            return Note(exhibit.title, f"Not available: {exhibit.note}")


def _curves(title: str, note: str, curves: list[Curve], required: float | None) -> Block:
    if not any(curve.values for curve in curves):
        return Note(title, "Not available: there is no epoch to draw")
    last = [
        f"{curve.label}, {curve.quantity} at the end: {value:.4g}"
        for curve in curves
        if curve.values and (value := curve.values[-1]) is not None
    ]
    drawn = [curve for curve in curves if curve.values]

    def draw(figure: Figure, theme: Theme) -> None:
        draw_curves(figure, drawn, required, theme)

    return Drawing(title, note, draw, CURVES_SIZE, CURVES_NARROW, "; ".join(last))


def _mapped(item: Mapped) -> Iterator[Cell]:
    """The image, then each map and its blend."""
    image = _pixels(item.image)
    yield Cell(image, item.caption)
    for shown in item.maps:
        coloured = _coloured(shown.picture)
        yield Cell(coloured, shown.caption)
        blend = (1 - BLEND) * image.astype(float) + BLEND * coloured
        yield Cell(blend.round().astype(np.uint8), "blended")


def _coloured(picture: Picture) -> np.ndarray:
    """A map in colours, (H, W, 3), uint8."""
    from matplotlib import colormaps  # not every run draws

    return colormaps[COLOURS](_pixels(picture)[:, :, 0], bytes=True)[:, :, :3]


def _pixels(picture: Picture) -> np.ndarray:
    """(H, W, 3), uint8; grey has three equal channels."""
    pixels = np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width, picture.channels)
    return pixels if picture.channels == 3 else pixels.repeat(3, axis=2)
