"""Whole networks on our layers beside the same networks on torch's, in float32.

    python -m tests.benchmarks.networks [deliverable2] [resnet] [--seconds S] [--in-a-row N] [--json FILE]

`deliverable2` is HW3's Figure 1 on MNIST's shapes, `resnet` its Figure 3 on CIFAR-10's. Each network is built from one
seed on `reference.nn`, and twice on `torch.nn`, in NCHW and in channels_last. A training step is `zero_grad`, forward,
cross-entropy, backward, Adam; the forward pass is that of evaluation mode. Adam is `fused=True` for all three, one
kernel over all parameters, as in the reference's trainings: its plain form takes 0.14 ms more of Figure 1's step, which
is nobody's convolution. All take turns, step by step or N in a row, so that whatever else the machine does falls on
all; the faster of torch's layouts is the peer.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

import reference.nn
from data_scripts import machine
from reference.hw3.deliverable3_5.model import MyResnet
from tests.benchmarks.timing import Effort, in_turns, medians, ratio


def figure_1(convolution: type[nn.Module], pooling: type[nn.Module]) -> nn.Module:
    """HW3's Figure 1 over the given layers, with the same first parameters at every call."""
    torch.manual_seed(0)
    return nn.Sequential(
        convolution(1, 3, 3, stride=1, padding=1), nn.ReLU(), pooling(2, 2),  # (N, 3, 14, 14)
        convolution(3, 6, 3, stride=1, padding=1), nn.ReLU(), pooling(2, 2),  # (N, 6, 7, 7)
        nn.Flatten(), nn.Linear(294, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def figure_3(convolution: type[nn.Module], pooling: type[nn.Module]) -> nn.Module:
    """HW3's Figure 3 with each convolution replaced by one of the given kind; it has no pooling layer of its own."""
    torch.manual_seed(0)
    net = MyResnet()
    for module in list(net.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, nn.Conv2d):
                other = convolution(
                    layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, bias=False
                )
                other.load_state_dict(layer.state_dict())
                setattr(module, name, other)
    return net


@dataclass(frozen=True)
class Subject:
    """A network that is timed.

    Args:
        build: (class of convolution, class of max-pooling) -> the network.
        image: (C, H, W).
        batches: sizes of a batch.
    """

    build: Callable[[type[nn.Module], type[nn.Module]], nn.Module]
    image: tuple[int, int, int]
    batches: tuple[int, ...]


SUBJECTS = {
    "deliverable2": Subject(figure_1, (1, 28, 28), (64, 128, 256)),
    "resnet": Subject(figure_3, (3, 32, 32), (128,)),
}
LAYERS = {
    "ours": (reference.nn.Conv2d, reference.nn.MaxPool2d, torch.contiguous_format),
    "torch NCHW": (nn.Conv2d, nn.MaxPool2d, torch.contiguous_format),
    "torch channels_last": (nn.Conv2d, nn.MaxPool2d, torch.channels_last),
}


def forward_pass(net: nn.Module, images: torch.Tensor) -> Callable[[], object]:
    """Logits in evaluation mode, without derivatives."""
    net.eval()

    def forward() -> torch.Tensor:
        with torch.inference_mode():
            return net(images)

    return forward


def training_step(net: nn.Module, images: torch.Tensor) -> Callable[[], object]:
    """One step of Adam on fixed images, as a function that returns the loss."""
    labels = torch.randint(10, (len(images),), generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    net.train()

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def repeated(work: Callable[[], object], times: int) -> Callable[[], None]:
    """The same so many times."""

    def run() -> None:
        for _ in range(times):
            work()

    return run


WORK = {"forward": forward_pass, "training step": training_step}


def beside(subject: Subject, batch: int, work: str, effort: Effort, in_a_row: int = 1) -> dict[str, float]:
    """Milliseconds of each kind of layers, and under `"ratio"` the faster torch's time over ours.

    Args:
        subject, batch, work: what is timed. effort: for how long.
        in_a_row: steps of a turn. After one of its own kind a step finds its code and numbers in the near caches, as in
            a training; after another's it does not.
    """
    images = torch.randn(batch, *subject.image, generator=torch.Generator().manual_seed(1))
    functions = {}
    for name, (convolution, pooling, layout) in LAYERS.items():
        net = subject.build(convolution, pooling).to(memory_format=layout)
        functions[name] = repeated(WORK[work](net, images.contiguous(memory_format=layout)), in_a_row)
    times = in_turns(functions, effort)
    found = {name: 1e3 / in_a_row * seconds for name, seconds in medians(times).items()}
    faster = min(("torch NCHW", "torch channels_last"), key=found.__getitem__)
    return {**found, "ratio": ratio(times["ours"], times[faster])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(SUBJECTS), help=", ".join(SUBJECTS))
    parser.add_argument("--seconds", type=float, default=10, help="per row (default: %(default)s)")
    parser.add_argument("--in-a-row", type=int, default=1, metavar="N", help="steps of a turn (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    asked = parser.parse_args()
    unknown = set(asked.networks) - set(SUBJECTS)
    if unknown:
        parser.error(f"expected networks among {sorted(SUBJECTS)}, found {sorted(unknown)}")
    torch.set_flush_denormal(True)
    table = Table("network", "batch", "work", *LAYERS, "ratio", title="milliseconds; ratio: the faster torch / ours")
    rows = []
    for name in asked.networks:
        for batch in SUBJECTS[name].batches:
            for work in WORK:
                found = beside(SUBJECTS[name], batch, work, Effort(asked.seconds, least=5, most=200), asked.in_a_row)
                rows.append({"network": name, "batch": batch, "work": work, **found})
                table.add_row(name, str(batch), work, *(f"{found[column]:.2f}" for column in (*LAYERS, "ratio")))
    console = Console()
    console.print(f"{machine.hardware()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    console.print(table)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
