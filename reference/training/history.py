"""What a training did, epoch by epoch, and its curves."""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from data_scripts import atomic

# Okabe and Ito's palette: told apart by colour-blind readers, and by brightness in print.
COLOURS = {"training": "#0072B2", "validation": "#D55E00"}


@dataclass(frozen=True)
class Epoch:
    """One epoch; losses are mean cross-entropies in nats, accuracies go from 0 to 1."""

    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float  # of this epoch, with its validation


@dataclass
class History:
    """The epochs of a run, in order."""

    epochs: list[Epoch] = field(default_factory=list)

    def state_dict(self) -> dict:
        """For a `Checkpoint`."""
        return {"epochs": [asdict(epoch) for epoch in self.epochs]}

    def load_state_dict(self, state: dict) -> None:
        """From a `Checkpoint`."""
        self.epochs[:] = [Epoch(**epoch) for epoch in state["epochs"]]

    @property
    def seconds(self) -> float:
        """Of all epochs; what an interrupted run lost is not counted."""
        return sum(epoch.seconds for epoch in self.epochs)

    def draw(self, path: Path, title: str, *, measured_on: str = "validation") -> None:
        """Its curves as a PNG; see `draw_curves`."""
        draw_curves([self], path, title, measured_on=measured_on)


def draw_curves(histories: Sequence[History], path: Path, title: str, *, measured_on: str = "validation") -> None:
    """Loss and accuracy of both sets against the epoch, as a PNG.

    Args:
        histories: of one run, or of one per seed, whose curves lie over each other.
        path: of the picture; missing folders are made.
        title: above it; says which set validates.
        measured_on: what the second set is called: "validation", or "test".
    """
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    figure.suptitle(title, parse_math=False)
    shown = (("training", "train", "training"), ("validation", "val", measured_on))
    for axis, name, unit in zip(figure.subplots(1, 2), ("loss", "accuracy"), (1, 100), strict=True):
        for kind, prefix, label in shown:
            for place, history in enumerate(histories):
                values = [unit * getattr(epoch, f"{prefix}_{name}") for epoch in history.epochs]
                axis.plot(
                    range(1, len(values) + 1), values, marker="o", markersize=3, linewidth=1.5 if place == 0 else 0.8,
                    color=COLOURS[kind], label=label if place == 0 else None,
                )  # fmt: skip
        axis.set(xlabel="epoch", ylabel="cross-entropy (nats)" if unit == 1 else "accuracy (%)")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.legend()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    atomic.write(path, content.getvalue())
