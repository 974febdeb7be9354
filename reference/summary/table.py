"""The rows of a layer table, from a trace; named as textbooks name them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from torch import nn

from reference.summary.kinds import Kind, Shape, kind_of
from reference.summary.trace import trace


@dataclass(frozen=True)
class Row:
    """One line of the table; None where it has nothing to say.

    Args:
        layer: "Conv2-1" is the first convolution of stage 2; a stage ends with its pooling.
        settings: filters/window/stride/padding.
        feature_map: height x width x channels of what the layer gives.
        weights: its numbers that are learned, with the bias; each is counted at its first use.
        neurons: numbers in the feature map.
        multiply_adds: for one image; None of layers other than convolution, pooling, linear and normalisation.
    """

    layer: str
    settings: str
    feature_map: str
    weights: int
    neurons: int | None
    multiply_adds: int | None


@dataclass(frozen=True)
class Table:
    """The rows in the order of computation; the first is the input."""

    rows: tuple[Row, ...]

    @property
    def total(self) -> Row:
        """The sums; the input counts nowhere, nor what is not known."""
        neurons = sum(row.neurons or 0 for row in self.rows)
        multiply_adds = sum(row.multiply_adds or 0 for row in self.rows)
        return Row("Total", "-", "-", sum(row.weights for row in self.rows), neurons, multiply_adds)


def summarise(net: nn.Module, input_shape: Shape) -> Table:
    """Compute the layer table of a network.

    Convolutions, poolings, linear layers and normalisations of any library have a row, and so has
    everything else with weights; activations, dropout and flattening have none. The weights add up
    to all parameters of the network: those that no traced layer has are in a row "Other weights".

    Args:
        net: any; it keeps its numbers and its mode.
        input_shape: of one image, (C, H, W).

    Raises:
        ValueError: the network does not take such an input, or has no layers.
    """
    traced = ((call, kind_of(call.module, call.given, call.made)) for call in trace(net, input_shape))
    calls = [(call, kind) for call, kind in traced if kind is not None]
    if not calls:
        raise ValueError(
            f"net: expected at least one layer (convolution, pooling, linear, normalisation), found none in "
            f"{type(net).__name__}; layers that are plain functions cannot be seen"
        )
    rows = [Row("Input", "-", _across(tuple(input_shape)), 0, None, None)]
    counted: set[int] = set()
    for (call, kind), name in zip(calls, _names([kind for _, kind in calls]), strict=True):
        neurons = math.prod(call.made) if kind.has_neurons else None
        weights = _new_weights(call.module, counted)
        rows.append(Row(name, kind.settings, _across(call.made), weights, neurons, kind.multiply_adds))
    if left := _new_weights(net, counted):
        rows.append(Row("Other weights", "-", "-", left, None, None))
    return Table(tuple(rows))


def _new_weights(module: nn.Module, counted: set[int]) -> int:
    """How many numbers of a module no row before has counted."""
    new = {id(weight): weight.numel() for weight in module.parameters() if id(weight) not in counted}
    counted.update(new)
    return sum(new.values())


def _across(shape: Shape) -> str:
    """(C, H, W) → "HxWxC"; (features,) → "500"."""
    return "x".join(map(str, (*shape[1:], shape[0])))


def _names(kinds: list[Kind]) -> list[str]:
    """The layers' names: Conv1-1, Pool-1, Conv2-dw, Conv2-pw, BatchNorm2d-1, FC, Output."""
    stage, linears = 1, [place for place, kind in enumerate(kinds) if kind.name == "linear"]
    output = linears.pop() if linears and linears[-1] == len(kinds) - 1 else None
    names: list[str] = []
    seen: Counter[str] = Counter()
    for place, kind in enumerate(kinds):
        behind_depthwise = place > 0 and kinds[place - 1].name == "dw"
        if place == output:
            names.append("Output")
        elif kind.name == "linear":
            names.append(_numbered("FC", seen, alone=len(linears) == 1))
        elif kind.name == "pool":
            names.append(f"Pool-{stage}")
            stage += 1
        elif kind.name == "dw" or (kind.name == "pw" and behind_depthwise):
            names.append(_numbered(f"Conv{stage}-{kind.name}", seen, alone=_alone(kinds, place)))
        elif kind.name in ("conv", "pw"):
            names.append(_numbered(f"Conv{stage}", seen))
        else:
            names.append(_numbered(kind.name, seen))
    return names


def _alone(kinds: list[Kind], place: int) -> bool:
    """Whether no other layer of its stage is of its kind."""
    names = [kind.name for kind in kinds]
    first = max((p + 1 for p in range(place) if names[p] == "pool"), default=0)
    last = names.index("pool", place) if "pool" in names[place:] else len(names)
    return names[first:last].count(names[place]) == 1


def _numbered(name: str, seen: Counter[str], *, alone: bool = False) -> str:
    seen[name] += 1
    return name if alone else f"{name}-{seen[name]}"
