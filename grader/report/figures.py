"""The figures of a result, drawn from its data: for a page, light and dark, and for paper."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grader.exhibits.kinds import Curve, RateCurve, Rates
from grader.oracles.accuracy import Accuracy
from grader.report.text import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Theme:
    """Colours of a figure.

    Args:
        paper: behind it.
        ink: of words and axes.
        first, second: of what is told apart; Okabe and Ito's palette, so that every common colour
            blindness tells them apart too. Markers and line styles tell them apart in grey.
    """

    paper: str
    ink: str
    first: str
    second: str


LIGHT = Theme("#ffffff", "#1f2328", "#0072B2", "#D55E00")
DARK = Theme("#161b22", "#e6edf3", "#56B4E9", "#E69F00")

Draw = Callable[["Figure", Theme], None]


def draw_curves(
    figure: Figure, curves: Sequence[Curve], required: float | None, theme: Theme = LIGHT
) -> None:
    """Loss and accuracy per epoch, side by side; one below the other where the figure is a high one.

    Args:
        figure: empty.
        curves: at least one epoch each.
        required: validation accuracy that is asked for, in [0, 1]; None for no line.
        theme: its colours.
    """
    figure.get_layout_engine().set(wspace=0.06, w_pad=0.06, h_pad=0.06)
    high = figure.get_figheight() > figure.get_figwidth()
    loss, accuracy = figure.subplots(2, 1) if high else figure.subplots(1, 2)
    styles = {
        "training": {"color": theme.first, "marker": "o", "markersize": 4, "linestyle": "-"},
        "validation": {"color": theme.second, "marker": "s", "markersize": 4, "linestyle": "--"},
    }
    epochs = list(range(1, 1 + max(len(curve.values) for curve in curves)))
    highest, lowest = 0.0, 100.0 if required is None else 100 * required
    for curve in curves:
        values = [math.nan if value is None else value for value in curve.values]
        places = epochs[: len(values)]
        # The last epoch's values stand in the legend, so that nobody reads them off the axis.
        if curve.quantity == "loss":
            highest = max([highest, *filter(math.isfinite, values)])
            loss.plot(places, values, **styles[curve.images], label=f"{curve.label}: {values[-1]:.3f} at the end")
        else:
            percent = [100 * value for value in values]
            lowest = min([lowest, *filter(math.isfinite, percent)])
            accuracy.plot(
                places, percent, **styles[curve.images], label=f"{curve.label}: {percent[-1]:.2f} % at the end"
            )
    if required is not None:
        accuracy.axhline(
            100 * required, color=theme.ink, alpha=0.7, linestyle=":", linewidth=1.5, label=f"required: {100 * required:g} %"
        )
    loss.set_ylim(0, 1.05 * highest or 1)
    # From a round number to 100 %, so that a small wobble near the top does not look like a drama.
    accuracy.set_ylim(max(0.0, 10 * math.floor((lowest - 1) / 10)), 100.5)
    for axes, title, quantity in (
        (loss, "Loss", "mean cross-entropy (nats)"),
        (accuracy, "Accuracy", "correct predictions (%)"),
    ):
        axes.set_title(title, fontsize=10)
        _whole_numbers(axes, "epoch", (min(epochs) - 0.3, max(epochs) + 0.3))
        axes.set_ylabel(quantity)
        _finish(axes, theme, columns=1)


def draw_rates(figure: Figure, rates: Rates, theme: Theme = LIGHT) -> None:
    """Rates with their 95 % intervals; colours tell what is measured on, styles what is measured.

    Args:
        figure: empty.
        rates: the exhibit.
        theme: its colours.
    """
    axes = figure.subplots()
    series = list(dict.fromkeys(curve.series for curve in rates.curves))
    against = list(dict.fromkeys(curve.against for curve in rates.curves))
    for curve in rates.curves:
        colour = (theme.first, theme.second)[against.index(curve.against) % 2]
        # The last series is the one that the others are compared with: solid and filled.
        last = curve.series == series[-1]
        places, percent = [point.at for point in curve.points], [100 * point.value for point in curve.points]
        axes.plot(
            places,
            percent,
            color=colour,
            linestyle="-" if last else "--",
            marker=("o", "s")[against.index(curve.against) % 2],
            markersize=4.5,
            markerfacecolor=colour if last else theme.paper,
            label=f"{curve.series}, {curve.against}",
        )
        intervals = [Accuracy(point.reached, point.of).interval for point in curve.points]
        low, high = ([100 * interval[side] for interval in intervals] for side in (0, 1))
        axes.fill_between(places, low, high, color=colour, alpha=0.13, linewidth=0)
    farthest = max((point.at for curve in rates.curves for point in curve.points), default=1)
    _whole_numbers(axes, rates.axis, (-0.02 * farthest, 1.02 * farthest or 1))
    axes.set_ylabel(rates.rate)
    axes.set_ylim(-2, 102)
    _finish(axes, theme, columns=2 if len(series) > 1 else len(against))


def summary(curve: RateCurve) -> str:
    """A curve in words, for whoever cannot see it."""
    told = ", ".join(f"{100 * point.value:.0f} % at {point.at:g}" for point in curve.points)
    return f"{curve.series}, {curve.against}: {told}" + (f"; ended: {curve.ended}" if curve.ended else "")


def render(draw: Draw, size: tuple[float, float], theme: Theme, form: str) -> bytes:
    """A figure as a file.

    Args:
        draw: fills an empty figure.
        size: inches.
        theme: its colours.
        form: "svg", or "png" at 200 dots per inch.
    """
    # Imported here, since not every run draws. The object interface is used, not pyplot: it has no
    # state that is shared with whoever else draws in this process.
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=200, layout="constrained", facecolor=theme.paper)
    draw(figure, theme)
    content = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    figure.savefig(content, format=form, metadata=metadata)
    return content.getvalue()


def _whole_numbers(axes: Axes, label: str, limits: tuple[float, float]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(clean(label, 80), parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(*limits)


def _finish(axes: Axes, theme: Theme, *, columns: int) -> None:
    """Grid, colours, and a legend below the axes where it hides no point."""
    axes.grid(alpha=0.3)
    axes.set_facecolor(theme.paper)
    words = []
    if axes.lines:
        legend = axes.legend(
            fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False, ncols=columns
        )
        words = legend.get_texts()
    for text in words:
        # A "$" would otherwise be read as the start of a formula.
        text.set_parse_math(False)
        text.set_text(clean(text.get_text(), 110))
        text.set_color(theme.ink)
    axes.tick_params(colors=theme.ink)
    for spine in axes.spines.values():
        spine.set_color(theme.ink)
        spine.set_alpha(0.6)
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_parse_math(False)
        text.set_color(theme.ink)
