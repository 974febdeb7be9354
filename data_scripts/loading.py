"""One call from a name to a data set, wherever its data may come from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_scripts.dataset import Dataset
from data_scripts.download import Patience
from data_scripts.errors import NoSource
from data_scripts.image_set import ImageSet
from data_scripts.registry import REAL, SYNTHETIC
from data_scripts.root import data_root
from data_scripts.standin import StandIn, show_banner

CHOICES = ("auto", "real", "synthetic")


def load(
    name: str,
    *,
    root: str | os.PathLike[str] | None = None,
    mirrors: Sequence[str | os.PathLike[str]] = (),
    data: str = "auto",
) -> Dataset:
    """Load a data set, memory-mapped, from the first place that has it.

    The order: the data root (`root`, else the environment's CHALKBENCH_DATA),
    `./data`, the mirrors, a download, and at last a synthetic stand-in, which
    is announced on stderr. What had to be decoded or made is stored in the
    data root, so the next call takes milliseconds. A damaged copy is an error,
    never passed over.

    Args:
        name: "mnist" or "cifar10".
        root: the data root.
        mirrors: folders with a copy: MNIST's IDX files, CIFAR-10's python
            batches or its images by class.
        data: "auto", "real" (refuse the stand-in) or "synthetic" (take it at once).

    Returns:
        the data set; its `kind` says whether it is real.

    Raises:
        DataError: a copy is damaged, the data root cannot be written to, or
            `data` is "real" and there is no copy.
        ValueError: an unknown name or choice.
    """
    if name not in REAL:
        raise ValueError(f"name must be one of {', '.join(REAL)}, not {name!r}")
    if data not in CHOICES:
        raise ValueError(f"data must be one of {', '.join(CHOICES)}, not {data!r}")
    real, why = REAL[name], 'asked for with data="synthetic"'
    roots = list(dict.fromkeys((data_root(root), Path("data"))))
    if data != "synthetic":
        try:
            return first_opened(real, roots) or real.fetch(roots[0], [Path(m) for m in mirrors], Patience())
        except NoSource as failure:
            if data == "real":
                raise
            why = f"{failure}"
    standin = SYNTHETIC[real.spec.standin]
    dataset = replace(first_opened(standin, roots) or standin.ensured(roots[0]), name=name)
    show_banner(dataset, real.spec.title, why)
    return dataset


def first_opened(source: ImageSet | StandIn, roots: Sequence[Path]) -> Dataset | None:
    """The set as stored in the first root that has it."""
    return next((dataset for root in roots if (dataset := source.open(root)) is not None), None)
