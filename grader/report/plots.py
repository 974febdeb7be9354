"""Curves of a training as PNG."""

from __future__ import annotations

import glob
import io
from pathlib import Path

from data_scripts import atomic
from grader.exhibits.curves import curves_of
from grader.report.figures import draw_curves
from grader.report.text import clean
from grader.result import Result, Training


def write(result: Result, path: Path) -> list[Path]:
    """Draw the curves of every training in a result.

    Args:
        result: what a grading run ended in.
        path: the result's JSON; the plots lie beside it and begin with its name. Plots that an
            earlier result left under that name are removed: they show another run's numbers.

    Returns:
        The files written; none where nothing was trained.

    Raises:
        OSError: a file cannot be written.
    """
    path = Path(path)
    written = []
    for deliverable in result.deliverables:
        if deliverable.training is None or not deliverable.training.epochs:
            continue
        swap = "".join(c if c.isalnum() else "-" for c in deliverable.swap)
        parts = (path.stem, f"deliverable{deliverable.number}", swap, "curves.png")
        title = f"{result.assignment} deliverable {deliverable.number}: {deliverable.title}"
        if deliverable.swap:
            title += f" (with {deliverable.swap})"
        plot = path.with_name("-".join(part for part in parts if part))
        curves(deliverable.training, plot, title=title, data=_images(result, deliverable.training))
        written.append(plot)
    earlier = path.parent.glob(f"{glob.escape(path.stem)}-deliverable*-curves.png")
    for stale in set(earlier) - set(written):
        stale.unlink()
    return written


def _images(result: Result, training: Training) -> str:
    """What the network was trained on; an older grader's result only knows of all that the run had."""
    source, synthetic = training.source, training.synthetic
    if not source:
        source, synthetic = result.data_source, result.data == "synthetic"
    return f"SYNTHETIC STAND-IN, not the real data: {source}" if synthetic else source


def curves(training: Training, path: Path, *, title: str, data: str) -> None:
    """Draw loss and accuracy per epoch, for training and validation images, into one PNG.

    Args:
        training: at least one epoch, as the grader measured it.
        path: the file to write.
        title: what was trained.
        data: one line: on what.

    Raises:
        ValueError: there is no epoch to draw.
        OSError: the file cannot be written.
    """
    if not training.epochs:
        raise ValueError("expected a training of at least one epoch, found none; nothing to draw")
    # Imported here, since not every run draws. The object interface is used, not pyplot: it has
    # no state that is shared with whoever else draws in this process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    draw_curves(figure, curves_of(training), training.required_accuracy)

    # A "$" in a title would otherwise be read as the start of a formula.
    figure.suptitle(f"{clean(title, 110)}\n{clean(data, 110)}", fontsize=10, parse_math=False)
    content = io.BytesIO()
    canvas.print_png(content, metadata={"Software": None})
    atomic.write(Path(path), content.getvalue())
