"""Curves of a training as PNG."""

from __future__ import annotations

import glob
import io
import math
from pathlib import Path

from data_scripts import atomic
from grader.report.text import clean
from grader.result import Result, Training

# Okabe and Ito's palette: told apart with every common colour blindness, and by markers in grey.
TRAINING = {"color": "#0072B2", "marker": "o", "markersize": 4, "linestyle": "-"}
VALIDATION = {"color": "#D55E00", "marker": "s", "markersize": 4, "linestyle": "--"}
REQUIRED = {"color": "#555555", "linestyle": ":", "linewidth": 1.5}


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
        data = result.data_source
        if result.data == "synthetic":
            data = f"SYNTHETIC STAND-IN, not the real data: {data}"
        plot = path.with_name("-".join(part for part in parts if part))
        curves(deliverable.training, plot, title=title, data=data)
        written.append(plot)
    earlier = path.parent.glob(f"{glob.escape(path.stem)}-deliverable*-curves.png")
    for stale in set(earlier) - set(written):
        stale.unlink()
    return written


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
    loss, accuracy = figure.subplots(1, 2)
    epochs = [epoch.epoch for epoch in training.epochs]
    sample = f"{training.train_sample:,} of {training.train_size:,} images"
    sets = (
        ("train", f"training ({sample})", TRAINING),
        ("val", f"validation ({training.val_size:,} test images)", VALIDATION),
    )
    required = 100 * training.required_accuracy
    lowest, highest = required, 0.0
    for prefix, images, style in sets:
        losses = [getattr(epoch, f"{prefix}_loss") for epoch in training.epochs]
        percent = [100 * getattr(epoch, f"{prefix}_accuracy") for epoch in training.epochs]
        highest = max([highest, *filter(math.isfinite, losses)])
        lowest = min([lowest, *filter(math.isfinite, percent)])
        # The last epoch's values stand in the legend, so that nobody reads them off the axis.
        loss.plot(epochs, losses, **style, label=f"{images}: {losses[-1]:.3f} at the end")
        accuracy.plot(epochs, percent, **style, label=f"{images}: {percent[-1]:.2f} % at the end")
    accuracy.axhline(required, **REQUIRED, label=f"required: {required:g} %")
    loss.set_ylim(0, 1.05 * highest or 1)
    # From a round number to 100 %, so that a small wobble near the top does not look like a drama.
    accuracy.set_ylim(max(0.0, 10 * math.floor((lowest - 1) / 10)), 100.5)
    _label(loss, epochs, "Loss", "mean cross-entropy (nats)")
    _label(accuracy, epochs, "Accuracy", "correct predictions (%)")

    # A "$" in a title would otherwise be read as the start of a formula.
    figure.suptitle(f"{clean(title, 110)}\n{clean(data, 110)}", fontsize=10, parse_math=False)
    content = io.BytesIO()
    canvas.print_png(content, metadata={"Software": None})
    atomic.write(Path(path), content.getvalue())


def _label(axes, epochs: list[int], title: str, quantity: str) -> None:
    """Titles, units, whole epochs, and a legend below the axes where it hides no point."""
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, fontsize=10)
    axes.set_xlabel("epoch")
    axes.set_ylabel(quantity)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(min(epochs) - 0.3, max(epochs) + 0.3)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False)
