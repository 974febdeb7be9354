"""A training that is killed anywhere goes on where its last whole epoch ended."""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from data_scripts import atomic


class Checkpoint:
    """The state of a training in one file, with that of torch's random numbers.

    Args:
        path: of the file; replaced as a whole, so that a kill leaves the old one or the new.
        settings: what the run was started with; another run does not go on from this file.
        parts: whatever changes while it trains, by name: objects with `state_dict` and
            `load_state_dict` (network, optimiser, schedule, history).
    """

    def __init__(self, path: Path, settings: dict[str, Any], **parts: Any):
        self.path, self.settings, self.parts = Path(path), settings, parts

    def save(self, epoch: int) -> None:
        """Write down everything, after `epoch` whole epochs."""
        content = io.BytesIO()
        torch.save(
            {
                "epoch": epoch,
                "settings": self.settings,
                "parts": {name: part.state_dict() for name, part in self.parts.items()},
                "random": torch.get_rng_state(),
                "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            },
            content,
        )
        atomic.write(self.path, content.getvalue())

    def resume(self) -> int:
        """Bring back the saved state.

        Returns:
            how many epochs it has behind it; 0, and nothing changed, without a file.

        Raises:
            ValueError: the file is damaged or no checkpoint, or of a run with other settings or
                parts; nothing has changed.
            RuntimeError: a part does not take its state, such as a network of other layers.
        """
        for left in self.path.parent.glob(f".{self.path.name}.*.partial"):  # of a run killed in `save`
            left.unlink(missing_ok=True)
        if not self.path.exists():
            return 0
        content = self.path.read_bytes()
        try:
            # torch reads a file with wrong bits in it as if they were right; its zip has checksums.
            spoilt = zipfile.ZipFile(io.BytesIO(content)).testzip()
            if spoilt is not None:
                raise ValueError(f"wrong checksum of {spoilt}")
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            settings, epoch, kept = dict(state["settings"]), int(state["epoch"]), dict(state["parts"])
            random, random_cuda = state["random"], state["random_cuda"]
        except Exception as error:  # a dozen kinds, by the place of the damage
            raise ValueError(
                f"{self.path}: expected the checkpoint of a training, found a file that cannot be "
                f"read as one ({type(error).__name__}); delete it to begin anew"
            ) from error
        other = [
            f"{name} = {settings.get(name)!r} there, {self.settings.get(name)!r} here"
            for name in sorted(settings.keys() | self.settings.keys())
            if settings.get(name) != self.settings.get(name)
        ]
        if other:
            raise ValueError(
                f"{self.path} is of another run ({'; '.join(other)}); go on with its settings, "
                "or delete it to begin anew"
            )
        if kept.keys() != self.parts.keys():
            raise ValueError(
                f"{self.path}: expected the state of {', '.join(self.parts)}, found that of "
                f"{', '.join(kept)}; delete it to begin anew"
            )
        for name, part in self.parts.items():
            part.load_state_dict(kept[name])
        torch.set_rng_state(random)
        if torch.cuda.is_available() and random_cuda:
            torch.cuda.set_rng_state_all(random_cuda)
        return epoch
