"""Curves of a training as PNG."""

from __future__ import annotations

import glob
import io
import math
from pathlib import Path

from grader import atomic
from grader.report.text import clean
from grader.result import Result, Training

# Okabe and Ito's palette: told apart with every common colour blindness; markers tell them apart in grey.
TRAINING = {"color": "#0072B2", "marker": "o", "linestyle": "-"}
VALIDATION = {"color": "#D55E00", "marker": "s", "linestyle": "--"}
REQUIRED = {"color": "#555555", "linestyle": ":", "linewidth": 1.5}


def write(result: Result, path: Path) -> list[Path]:
    """Draw the curves of every training in a result.

    Args:
        result: what a grading run ended in.
        path: the result's JSON; the plots lie beside it and begin with its name. Plots that an earlier
            result left under that name are removed, so that none shows another run's numbers.

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
    for stale in set(path.parent.glob(f"{glob.escape(path.stem)}-deliverable*-curves.png")) - set(written):
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
        raise ValueError("expected a training of at least one epoch, found none; there is no curve to draw")
    # Imported here because it takes longer than the rest of the grader's start. The object interface
    # is used, not pyplot: it has no state shared with whoever else draws in this process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    loss, accuracy = figure.subplots(1, 2)
    last = training.epochs[-1]
    epochs = [epoch.epoch for epoch in training.epochs]
    trained_on = f"training ({training.train_sample:,} of {training.train_size:,} images)"
    validated_on = f"validation ({training.val_size:,} test images)"

    loss.plot(epochs, [e.train_loss for e in training.epochs], **TRAINING, label=_named(trained_on, last.train_loss, ".3f"))
    loss.plot(epochs, [e.val_loss for e in training.epochs], **VALIDATION, label=_named(validated_on, last.val_loss, ".3f"))
    loss.set_ylim(bottom=0)
    _label(loss, epochs, "Loss", "mean cross-entropy (nats)")

    shown = [100 * e.train_accuracy for e in training.epochs], [100 * e.val_accuracy for e in training.epochs]
    accuracy.plot(epochs, shown[0], **TRAINING, label=_named(trained_on, shown[0][-1], ".2f", " %"))
    accuracy.plot(epochs, shown[1], **VALIDATION, label=_named(validated_on, shown[1][-1], ".2f", " %"))
    accuracy.axhline(100 * training.required_accuracy, **REQUIRED, label=f"required: {100 * training.required_accuracy:g} %")
    lowest = min([100 * training.required_accuracy, *(v for values in shown for v in values if math.isfinite(v))])
    # From round number to 100 %, so that a small wobble near the top does not look like a drama.
    accuracy.set_ylim(max(0.0, 10 * math.floor((lowest - 1) / 10)), 100.5)
    _label(accuracy, epochs, "Accuracy", "correct predictions (%)")

    # A "$" in a title would otherwise be read as the start of a formula.
    figure.suptitle(f"{clean(title, 110)}\n{clean(data, 110)}", fontsize=10, parse_math=False)
    content = io.BytesIO()
    canvas.print_png(content, metadata={"Software": None})
    atomic.write(Path(path), content.getvalue())


def _named(name: str, value: float, spec: str, unit: str = "") -> str:
    """A legend entry with the last epoch's value, so that nobody reads it off the axis."""
    return f"{name}: {value:{spec}}{unit} at the end"


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
