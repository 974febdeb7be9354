"""A training that is killed anywhere goes on where its last whole epoch ended."""

import io
import pickle
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
            ValueError: the file is no checkpoint, or of a run with other settings.
        """
        if not self.path.exists():
            return 0
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            settings, epoch = state["settings"], state["epoch"]
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.path} is not a checkpoint of a training ({type(error).__name__}); "
                "delete it to begin anew"
            ) from None
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
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        torch.set_rng_state(state["random"])
        if torch.cuda.is_available() and state["random_cuda"]:
            torch.cuda.set_rng_state_all(state["random_cuda"])
        return epoch
