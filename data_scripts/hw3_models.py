"""The two MNIST classifiers that HW3's deliverable 6 attacks: the hand-out's, or two of our own.

The hand-out's `modelA.zip` and `modelB.zip` are state dicts saved by `torch.save`. `fetch` reads
them with `weights_only=True`, compares digests, and stores them as safetensors, which hold numbers
and nothing that could run. Machines without them use `data_scripts/targets/`, two models of the
same architecture that `data_scripts.train_targets` made.

Both pairs take raw pixel values, 0 to 255, of images that lie **transposed**, as the starter code
feeds them: (N, 28, 28) → (N, 28, 28, 1) → axes 1 and 3 swapped → (N, 1, 28, 28).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_scripts.errors import DataError, NoSource
from data_scripts.progress import notice
from data_scripts.root import data_root
from data_scripts.store import replaced, write_lock

NAME = "hw3-models"
OWN = Path(__file__).parent / "targets"
SUBFOLDERS = (".", "hw3", NAME)  # of a mirror
MOST_BYTES = 1 << 20  # a whole file has 90 KB
# Of the hand-out's files, and of the values in them (see `content_digest`).
PUBLISHED = {
    "A": "50451e376422e4619911eecdc5c34aa2cbf8cb03749c560239903212736e28f0",
    "B": "f94aa1a9ec4e9f76c13eb9f6c58eaf8dd42f71c5e609b85a17e41de9b29ab047",
}
CONTENT = {
    "A": "6ead708d33c8b8f067f0742fdbd56ee1f0ff480df8455b1a162acb2d00faa3a3",
    "B": "f252bf9d045c927fd46b595de3a8e4e465622012b9ab851f8c0878be5776c04c",
}
SHAPES = {
    "conv1.weight": (10, 1, 5, 5),
    "conv1.bias": (10,),
    "conv2.weight": (20, 10, 5, 5),
    "conv2.bias": (20,),
    "fc1.weight": (50, 320),
    "fc1.bias": (50,),
    "fc2.weight": (10, 50),
    "fc2.bias": (10,),
}

Parameters = Mapping[str, np.ndarray]  # name → float32 values, as in `SHAPES`


@dataclass(frozen=True)
class TargetModels:
    """Two classifiers to attack.

    Args:
        models: "A" and "B" → parameters; B withstands more than A.
        kind: "hand-out" or "own"; belongs beside every number computed from them.
        source: one line for reports.
        digest: "sha256:…" over all values; equal models, equal digest.
    """

    models: Mapping[str, Parameters]
    kind: str
    source: str
    digest: str

    @property
    def counts(self) -> str:
        """How many there are, as the data commands report it."""
        return f"{len(self.models)} models"


def load_models(
    *, root: Path | str | None = None, mirrors: Sequence[Path | str] = (), data: str = "auto"
) -> TargetModels:
    """The models from the first place that has them.

    Args:
        root: the data root, as `data_scripts.load` takes it.
        mirrors: folders that may hold the hand-out's files.
        data: "auto", "real" (refuse our own), or "synthetic" (take our own at once).

    Raises:
        DataError: a copy is damaged; or `data` is "real" and there is none.
    """
    if data == "synthetic":
        return own_models()
    try:
        return HandOutModels().fetch(data_root(root), [Path(mirror) for mirror in mirrors])
    except NoSource:
        if data == "real":
            raise
        return own_models()


def own_models() -> TargetModels:
    """The two models that come with this repository."""
    models = {name: read_models_file(OWN / f"model{name}.safetensors", mend="restore it with git") for name in "AB"}
    return TargetModels(models, "own", "two models of our own (data_scripts/targets)", joint_digest(models))


class HandOutModels:
    """The registry's line for HW3's own models; has what `fetch` and `verify` ask of a data set."""

    def open(self, root: Path) -> TargetModels | None:
        """The models as stored in `root`, or None; every value is compared with its digest.

        Raises:
            DataError: a file is missing beside the other, unreadable or changed.
        """
        paths = {name: root / NAME / f"model{name}.safetensors" for name in PUBLISHED}
        if not any(path.exists() for path in paths.values()):
            return None
        models = {name: read_models_file(path, mend=self.mend(root)) for name, path in paths.items()}
        for name, path in paths.items():
            check_content(path, name, models[name], mend=self.mend(root))
        return TargetModels(models, "hand-out", "HW3's own models A and B", joint_digest(models))

    verify = open  # 170 KB: opening reads every byte anyway

    def fetch(self, root: Path, mirrors: Sequence[Path], patience: object = None) -> TargetModels:
        """Make sure that both models are stored in `root`.

        Args:
            root: the data root; also looked through for the hand-out's files.
            mirrors: folders to read them from, in order.
            patience: of downloads; nobody publishes these files, so there are none.

        Raises:
            NoSource: no folder has them.
            DataError: the first copy found is damaged, or `root` cannot be written to.
        """
        stored = self.whole(root)
        if stored is not None:
            return stored
        found = next((files for folder in (root, *mirrors) if (files := handed_out(folder))), None)
        if found is None:
            looked = [f"{m} ({'no copy in it' if m.is_dir() else 'no such folder'})" for m in (root, *mirrors)]
            raise NoSource(
                "HW3's models", expected="modelA.zip and modelB.zip of the hand-out in one of the folders",
                found=", ".join(looked), mend=self.mend(root),
            )  # fmt: skip
        models = {name: read_handed_out(path, name) for name, path in found.items()}
        with write_lock(root, NAME):
            (root / NAME).mkdir(exist_ok=True)
            for name, parameters in models.items():
                write_models_file(root / NAME / f"model{name}.safetensors", parameters, {"from": found[name].name})
        return self.open(root)

    def whole(self, root: Path) -> TargetModels | None:
        """The models as stored; None (and a notice) if they are damaged or not there."""
        try:
            return self.open(root)
        except DataError as damage:
            notice(f"{damage}\n{NAME} will be made anew")
            return None

    def mend(self, root: Path) -> str:
        """The command that makes the store whole."""
        return f"python -m data_scripts.fetch {NAME} --root {root} --from DIR"


def handed_out(folder: Path) -> dict[str, Path] | None:
    """The hand-out's two files in a mirror; None where neither is there.

    Raises:
        DataError: only one of them is there.
    """
    for subfolder in SUBFOLDERS:
        paths = {name: folder / subfolder / f"model{name}.zip" for name in PUBLISHED}
        missing = [path for path in paths.values() if not path.is_file()]
        if not missing:
            return paths
        if len(missing) < len(paths):
            raise DataError(
                missing[0], expected="the file, beside the other one", found="no such file",
                mend="name a folder that holds both with --from DIR",
            )  # fmt: skip
    return None


def read_handed_out(path: Path, name: str) -> Parameters:
    """One of the hand-out's files; a file with another digest is not even opened as an archive."""
    import io
    import pickle

    import torch

    mend = "delete it, or name a folder with the hand-out's own files with --from DIR"
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES)
    except OSError as error:
        raise DataError(path, expected="a readable file", found=error.strerror or str(error), mend=mend) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != PUBLISHED[name]:
        found = f"SHA-256 {digest} ({len(content):,} bytes)"
        raise DataError(path, expected=f"SHA-256 {PUBLISHED[name]}", found=found, mend=mend)
    try:
        state = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise DataError(path, expected="a state dict of tensors, and nothing else", found=str(error), mend=mend) from error
    parameters = {key: value.numpy() for key, value in state.items()}
    check_content(path, name, parameters, mend=mend)
    return parameters


def read_models_file(path: Path, *, mend: str) -> Parameters:
    """The parameters in a safetensors file, of the shapes that deliverable 6 has.

    Raises:
        DataError: it is missing, unreadable, or holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        parameters = load(path.read_bytes())
    except OSError as error:
        raise DataError(path, expected="a readable file", found=error.strerror or str(error), mend=mend) from error
    except SafetensorError as error:
        raise DataError(path, expected="a safetensors file", found=str(error), mend=mend) from error
    found = {key: (str(value.dtype), value.shape) for key, value in sorted(parameters.items())}
    wanted = {key: ("float32", shape) for key, shape in sorted(SHAPES.items())}
    if found != wanted:
        raise DataError(path, expected=f"{wanted}", found=f"{found}", mend=mend)
    if not all(np.isfinite(value).all() for value in parameters.values()):
        raise DataError(path, expected="finite parameters", found="NaN or infinity", mend=mend)
    return {key: parameters[key] for key in SHAPES}


def write_models_file(path: Path, parameters: Parameters, about: dict[str, str]) -> None:
    """Write one model so that it is whole or not there.

    Args:
        path: its place.
        parameters: as in `SHAPES`.
        about: what a reader should know of it: accuracy, how it was trained.
    """
    from safetensors.numpy import save

    contiguous = {key: np.ascontiguousarray(parameters[key], np.float32) for key in SHAPES}
    with replaced(path) as file:
        file.write(save(contiguous, metadata=about))


def about(path: Path) -> dict[str, str]:
    """What `write_models_file` was told about a model."""
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return header.get("__metadata__", {})


def check_content(path: Path, name: str, parameters: Parameters, *, mend: str) -> None:
    """Refuse other values than the hand-out's."""
    found = content_digest(parameters)
    if found != CONTENT[name]:
        raise DataError(path, expected=f"model {name}, values of SHA-256 {CONTENT[name]}", found=found, mend=mend)


def content_digest(parameters: Parameters) -> str:
    """SHA-256 over names, shapes and values, whatever file they came in."""
    digest = hashlib.sha256()
    for key in sorted(parameters):
        value = np.ascontiguousarray(parameters[key], dtype="<f4")
        digest.update(f"{key} {value.shape}\n".encode() + value.tobytes())
    return digest.hexdigest()


def joint_digest(models: Mapping[str, Parameters]) -> str:
    """One digest for both models."""
    lines = [f"{name} {content_digest(models[name])}" for name in sorted(models)]
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()
