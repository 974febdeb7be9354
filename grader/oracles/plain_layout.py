"""Which of a submission's parameters is which of a plain CNN's, whatever their names.

The weights of a figure all differ in shape. Its vectors may not: EEE7331's part B has two biases of
32 numbers, and a batch normalisation adds more. Where shapes do not tell, every order is possible.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from grader.oracles.plain_cnn import PlainCNN

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """What is which.

    Args:
        weights: names of the weights, in the order of the figure's layers.
        vectors: number of units → names of their biases and of what shifts them (batch normalisation's
            beta), as registered.
        scales: names of batch normalisations' gammas.
        shifts: how many of each of `vectors` are no biases.
    """

    weights: tuple[str, ...]
    vectors: dict[int, tuple[str, ...]]
    scales: tuple[str, ...]
    shifts: dict[int, int]


def read(network: PlainCNN, found: Shapes, *, ones: frozenset[str] = frozenset()) -> Layout | str:
    """Find a figure's parameters among a submission's.

    Args:
        network: the network that is judged.
        found: the submission's parameters, name → shape.
        ones: those that hold nothing but ones, as a batch normalisation's gamma does at first.

    Returns:
        The layout, or a sentence that says what differs.
    """
    remaining, weights = dict(found), []
    shapes = network.shapes()
    listed = ", ".join(str(tuple(shape)) for shape in found.values()) or "none"
    missing = f"no parameter of shape {{}}; {network.handle}'s parameters have the shapes {listed}"
    for shape in (shape for shape in shapes if len(shape) > 1):
        name = next((name for name in remaining if same_role(remaining[name], shape)), None)
        if name is None:
            return missing.format(shape)
        weights.append(name)
        del remaining[name]
    wanted: dict[int, int] = {}
    for shape in (shape for shape in shapes if len(shape) == 1):
        wanted[shape[0]] = wanted.get(shape[0], 0) + 1
    widths = {*wanted, network.in_channels, network.flat} if network.normalises else wanted
    vectors: dict[int, tuple[str, ...]] = {}
    scales: list[str] = []
    shifts: dict[int, int] = {}
    for width in widths:
        count = wanted.get(width, 0)
        names = [name for name, shape in remaining.items() if same_role(shape, (width,))]
        extra = len(names) - count
        gammas = [name for name in names if name in ones] if network.normalises and extra > 0 else []
        if len(names) - 2 * len(gammas) < count:
            why = "; a layer in front of a batch normalisation has its bias, too" if gammas else ""
            return missing.format((width,)) + why
        if 2 * len(gammas) != extra > 0:
            continue  # told below, with whatever else is left over
        vectors[width] = tuple(name for name in names if name not in gammas)
        scales += gammas
        shifts[width] = len(gammas)
        for name in names:
            del remaining[name]
    if remaining:
        extra = ", ".join(f"{name} {tuple(shape)}" for name, shape in remaining.items())
        return f"parameters that {network.figure} does not have: {extra}"
    return Layout(tuple(weights), vectors, tuple(scales), shifts)


def arrangements(network: PlainCNN, layout: Layout, zeros: frozenset[str] = frozenset()) -> Iterator[tuple[str, ...]]:
    """Every order of names like `network.shapes()` that the shapes allow, the one as registered first.

    Args:
        network: the network that is judged.
        layout: what `read` found.
        zeros: the parameters that hold nothing but zeros: only these shift nothing, and in the place of
            a bias one is as good as another.
    """
    choices = []
    for width, names in layout.vectors.items():
        biases = len(names) - layout.shifts[width]
        nonzero = [name for name in names if name not in zeros]
        spare = [name for name in names if name in zeros][: max(0, biases - len(nonzero))]
        # Not orders of all names: a submission may have a thousand, and they are tried in the grader.
        among = sorted(nonzero + spare, key=names.index)
        chosen = {}
        for order in itertools.permutations(among) if len(among) == biases else ():
            chosen.setdefault(tuple("" if name in zeros else name for name in order), order)
        choices.append([(width, order) for order in chosen.values()])
    for choice in itertools.product(*choices):
        weights, biases = iter(layout.weights), {width: iter(order) for width, order in choice}
        yield tuple(next(weights) if len(shape) > 1 else next(biases[shape[0]]) for shape in network.shapes())


def same_role(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether a parameter can be the wanted one: its shape, flattened or not, as rows per output.

    (O, C, K, K) may be kept as (O, C·K·K), and (O,) as (O, 1, 1) or (1, O, 1, 1).
    """
    if len(wanted) == 1:
        return tuple(extent for extent in found if extent != 1) == tuple(
            extent for extent in wanted if extent != 1
        )
    return (
        len(found) >= 2
        and found[0] == wanted[0]
        and torch.Size(found).numel() == torch.Size(wanted).numel()
    )
