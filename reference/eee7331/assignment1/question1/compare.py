"""EEE7331 assignment 1, question 1: both parts side by side, from the records of their runs.

    python compare.py --part-a results/eee7331/part_a-seed0 results/eee7331/part_a-seed1 \\
                      --part-b results/eee7331/part_b-seed0 results/eee7331/part_b-seed1 --out docs/eee7331

writes `part_a.png` and `part_b.png` (loss and accuracy of training and test set against the epoch, all
seeds), `comparison.png` and `comparison.md` (weights, multiply-adds, accuracies, time per epoch).
"""

import argparse
import io
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import nn

from data_scripts import atomic
from model import CustomCNN, SeparableCNN
from reference.summary import Table, summarise
from reference.training.history import Epoch, History, draw_curves

IMAGE = (3, 32, 32)
COLOURS = {"A": "#0072B2", "B": "#D55E00"}  # Okabe and Ito's
NETWORKS: dict[str, type[nn.Module]] = {"A": CustomCNN, "B": SeparableCNN}


@dataclass(frozen=True)
class Part:
    """One of the networks: its layer table, and the records of its runs, one per seed."""

    name: str
    table: Table
    records: Sequence[dict[str, Any]]

    @property
    def histories(self) -> list[History]:
        """One per run."""
        return [History([Epoch(**epoch) for epoch in record["curve"]]) for record in self.records]

    @property
    def seeds(self) -> str:
        """Of the runs, in words."""
        return ", ".join(str(record["seed"]) for record in self.records)

    def accuracies(self, of: str) -> list[float]:
        """Of the saved networks: `of` is "accuracy" (test images) or "training_accuracy"."""
        return [record[of]["share"] for record in self.records]

    def seconds(self) -> float:
        """Median of all epochs, with the measuring of the test set."""
        return statistics.median(epoch["seconds"] for record in self.records for epoch in record["curve"])

    def weights_of_convolutions(self) -> int:
        """Without the linear layers."""
        return sum(row.weights for row in self.table.rows if row.layer.startswith("Conv"))


def part(name: str, directories: Sequence[Path]) -> Part:
    """Read the records of a part's runs.

    Args:
        name: "A" or "B".
        directories: of the runs, as `train.py --record` leaves them.

    Raises:
        ValueError: a record is missing, of another part, or there twice.
    """
    records = []
    for directory in directories:
        path = directory / f"part_{name.lower()}.json"
        if not path.is_file():
            raise ValueError(
                f"expected {path}, found none; write it with: python train.py --part {name.lower()} --record"
            )
        records.append(json.loads(path.read_text(encoding="utf-8")))
    if len({record["seed"] for record in records}) < len(records):
        raise ValueError(f"part {name}: expected runs of different seeds, found one seed twice")
    alike = {json.dumps([record["settings"], record["epochs"], record["data"]], sort_keys=True) for record in records}
    if len(alike) > 1:
        raise ValueError(
            f"part {name}: expected runs that differ in the seed alone, found other settings, epochs or data"
        )
    return Part(name, summarise(NETWORKS[name](), IMAGE), records)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Percent: mean ± standard deviation over the seeds, or the one there is."""
    mean = f"{100 * statistics.mean(values):.{digits}f}"
    return f"{mean} ± {100 * statistics.stdev(values):.{digits}f} %" if len(values) > 1 else f"{mean} % (one seed)"


def as_markdown(parts: Sequence[Part]) -> str:
    """The assignment's table, with what the discussion needs beside it."""
    lines = [
        "| | total weights (biases included) | of them in convolutions | multiply-adds per image | training accuracy "
        "| test accuracy | seconds per epoch |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    names = {"A": "CNN of part A", "B": "with depth-wise separable convolution (part B)"}
    for each in parts:
        total = each.table.total
        lines.append(
            f"| {names[each.name]} | {total.weights:,} | {each.weights_of_convolutions():,} | {total.multiply_adds:,} "
            f"| {spread(each.accuracies('training_accuracy'))} | {spread(each.accuracies('accuracy'))} "
            f"| {each.seconds():.1f} |"
        )
    records = [record for each in parts for record in each.records]
    facts = ("epochs", "hardware", "compute")
    epochs, hardware, compute = (" or ".join(dict.fromkeys(str(record[name]) for record in records)) for name in facts)
    lines += [
        "",
        f"Mean ± standard deviation over seeds {'; '.join(f'{each.seeds} (part {each.name})' for each in parts)}, "
        f"{epochs} epochs, of the saved networks on all images of {records[0]['data']['source']} without augmentation. "
        f"Seconds: median of all epochs with the measuring of the test set, {hardware}, {compute}.",
    ]
    return "\n".join(lines) + "\n"


def draw(parts: Sequence[Part], path: Path) -> None:
    """Test accuracy of both parts against the epoch, and what part B has of part A's costs, as a PNG."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for each in parts:
        for place, history in enumerate(each.histories):
            values = [100 * epoch.val_accuracy for epoch in history.epochs]
            label = f"part {each.name}" if place == 0 else None
            left.plot(
                range(1, len(values) + 1), values, marker="o", markersize=3, color=COLOURS[each.name], label=label
            )
    left.set(xlabel="epoch", ylabel="test accuracy (%)")
    left.xaxis.get_major_locator().set_params(integer=True)
    left.grid(alpha=0.3)
    left.legend()
    shares = relative_costs(*parts)
    bars = right.barh(list(shares), [100 * share for share in shares.values()], color=COLOURS["B"])
    right.axvline(100, color=COLOURS["A"], linestyle="--")
    right.bar_label(bars, fmt="%.1f %%", padding=3, bbox={"color": "white", "pad": 1})  # legible across the line
    right.set(xlabel="part B, in % of part A", xlim=(0, 150))
    right.invert_yaxis()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    atomic.write(path, content.getvalue())


def relative_costs(a: Part, b: Part) -> dict[str, float]:
    """What part B has of part A's, from 0 on."""
    return {
        "weights": b.table.total.weights / a.table.total.weights,
        "weights of convolutions": b.weights_of_convolutions() / a.weights_of_convolutions(),
        "multiply-adds": b.table.total.multiply_adds / a.table.total.multiply_adds,
        "neurons": b.table.total.neurons / a.table.total.neurons,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the runs of part A with those of part B."""
    options = argparse.ArgumentParser(description=main.__doc__)
    for name in NETWORKS:
        options.add_argument(f"--part-{name.lower()}", type=Path, nargs="+", required=True, metavar="DIR")
    options.add_argument("--out", type=Path, default=Path("docs/eee7331"), metavar="DIR", help="(default: %(default)s)")
    options = options.parse_args(arguments)
    try:
        parts = [part("A", options.part_a), part("B", options.part_b)]
    except ValueError as error:
        raise SystemExit(str(error)) from None
    for each in parts:
        source = each.records[0]["data"]["source"]
        title = f"EEE7331 question 1, part {each.name}, on {source}; seeds {each.seeds}"
        draw_curves(each.histories, options.out / f"part_{each.name.lower()}.png", title, measured_on="test")
    draw(parts, options.out / "comparison.png")
    page = as_markdown(parts)
    atomic.write(options.out / "comparison.md", page.encode())
    print(page, end="")


if __name__ == "__main__":
    main()
