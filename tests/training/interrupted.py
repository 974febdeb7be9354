"""A small run of HW3's `train` in a process of its own, which kills itself where it is told to.

    python -m tests.training.interrupted

takes a line [FOLDER, WHERE, COUNT] for every run, and prints how its process ended. Each is forked from this one, which
has imported everything and computed nothing: it starts like a fresh one, and torch is imported once for all of them.
SIGKILL cannot be caught, so nothing is tidied up, as when the machine itself stops. WHERE, at its COUNT-th time:
`batch` before the net sees it, `epoch` after it was reported and before it is saved, `writing` with one half
of the checkpoint written, `renaming` with all of it written under its temporary name, `saved` right after that.
Without WHERE it goes on to the end, and leaves the net and the curve in FOLDER.
"""

import json
import os
import signal
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from torch import nn

from reference.training.checkpoint import Checkpoint
from reference.training.compute import FLOAT32_CPU
from reference.training.history import Epoch, History
from reference.training.weights import save_half
from tests.training.scripts import hw3_train

EPOCHS, IMAGES, BATCHES = 3, 320, 3  # of 128, 128 and 64


class Killer:
    """Counts how often each place was passed, and kills the process at the one that is asked for."""

    def __init__(self, where: str = "", count: str = "0"):
        self.where, self.left = where, int(count)

    def passes(self, where: str) -> None:
        if where == self.where:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch_writing(self) -> None:
        """Stand between the checkpoint and the disk."""
        fsync, replace = os.fsync, os.replace

        def half_written(handle: int) -> None:
            if self.where == "writing" and self.left == 1:
                os.ftruncate(handle, os.fstat(handle).st_size // 2)
            self.passes("writing")
            fsync(handle)

        def renamed(source: str, target: Path) -> None:
            self.passes("renaming")
            replace(source, target)
            self.passes("saved")

        os.fsync, os.replace = half_written, renamed


def main(folder: Path, *where: str) -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    hw3, killer, history = hw3_train(), Killer(*where), History()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (IMAGES,), generator=generator)

    hw3.setup_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip
    net.register_forward_pre_hook(lambda *_: killer.passes("batch"))

    def on_epoch(epoch: int, loss: float, accuracy: float) -> None:
        history.epochs.append(Epoch(loss, accuracy, loss, accuracy, 0.0))
        killer.passes("epoch")

    settings = {"epochs": EPOCHS, "images": IMAGES}
    checkpoint = partial(Checkpoint, folder / "training.pt", settings, history=history)
    killer.watch_writing()
    hw3.train(net, images, labels, EPOCHS, on_epoch, compute=FLOAT32_CPU, checkpoint=checkpoint)
    killer.where = ""
    torch.save(net.state_dict(), folder / "net.pt")
    save_half(net, folder / "net.safetensors")
    (folder / "curve.json").write_text(json.dumps([asdict(epoch) for epoch in history.epochs]))


def serve() -> None:
    import torch._inductor  # as `use_deterministic_algorithms` does, in three seconds

    for line in sys.stdin:
        folder, *where = json.loads(line)
        if (child := os.fork()) == 0:
            main(Path(folder), *where)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
