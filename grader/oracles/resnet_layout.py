"""Which of a submission's parameters and buffers is which of Figure 3's, whatever their names.

The weights of the figure's convolutions all differ in shape. Batch normalisations are told from
each other by their number of channels only: three of a block have the same, and which belongs
where follows from what the network computes (`grader.oracles.resnet_search`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from grader.oracles.plain_layout import same_role

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class NormNames:
    """The names of one batch normalisation's two parameters and two buffers."""

    channels: int
    scale: str
    shift: str
    mean: str
    variance: str


@dataclass(frozen=True)
class Layout:
    """What is which.

    Args:
        weights: names of the convolutions' weights, in the order that was asked for.
        linear: names of the linear layer's weight and bias; empty where none was asked for.
        norms: as registered; empty where a submission keeps the vectors of its normalisations
            such that it cannot be seen which belong together. They then stay as they begin.
        biases: vectors that are left over, with their shapes: convolutions with a bias.
    """

    weights: tuple[str, ...]
    linear: tuple[str, ...]
    norms: tuple[NormNames, ...]
    biases: Shapes = field(default_factory=dict)


def read(
    convolutions: Sequence[tuple[int, ...]],
    linear: tuple[int, int] | None,
    parameters: Shapes,
    buffers: Shapes,
) -> Layout | str:
    """Find the figure's parameters among a submission's.

    Args:
        convolutions: shapes of the weights; each has a batch normalisation behind it.
        linear: shape of the linear layer's weight, None without one.
        parameters: name → shape, as registered.
        buffers: the same.

    Returns:
        the layout, or a sentence that says what differs.
    """
    remaining = dict(parameters)
    weights = []
    for shape in convolutions:
        name = _take(remaining, shape)
        if name is None:
            return f"no parameter of shape {shape}; {_listed(parameters)}"
        weights.append(name)
    wanted = Counter(shape[0] for shape in convolutions)
    norms = _grouped(remaining, buffers)
    if found := _miscounted(norms, wanted):
        norms, vectors = [], _loose(remaining, buffers, wanted)
        if not vectors:
            return found
    else:
        vectors = [name for norm in norms for name in (norm.scale, norm.shift)]
    for name in vectors:
        del remaining[name]
    head = []
    for shape in [linear, linear[:1]] if linear else []:
        name = _take(remaining, shape)
        if name is None:
            return f"no parameter of shape {shape} for the linear layer; {_listed(parameters)}"
        head.append(name)
    # A vector as long as some layer is wide can be nothing but an addend.
    biases = {name: shape for name, shape in remaining.items() if shape in {(c,) for c in wanted}}
    extra = {name: shape for name, shape in remaining.items() if name not in biases}
    if extra:
        return f"parameters that Figure 3 does not have: {_named(extra)}"
    return Layout(tuple(weights), tuple(head), tuple(norms), biases)


def _take(remaining: Shapes, shape: tuple[int, ...]) -> str | None:
    """Remove and return the first parameter that can be the wanted one."""
    name = next((name for name in remaining if same_role(remaining[name], shape)), None)
    remaining.pop(name, None)
    return name


def _grouped(parameters: Shapes, buffers: Shapes) -> list[NormNames]:
    """Modules that hold two vectors of parameters and two of buffers, all of one length."""
    groups: dict[str, tuple[list[str], list[str]]] = {}
    for place, shapes in enumerate((parameters, buffers)):
        for name, shape in shapes.items():
            if len(shape) == 1:
                owner = name.rpartition(".")[0]
                groups.setdefault(owner, ([], []))[place].append(name)
    return [
        NormNames(parameters[learnt[0]][0], *learnt, *running)
        for learnt, running in groups.values()
        if len(learnt) == len(running) == 2
        and len({parameters[name] for name in learnt} | {buffers[name] for name in running}) == 1
    ]


def _loose(parameters: Shapes, buffers: Shapes, wanted: Counter[int]) -> list[str]:
    """The vectors of normalisations that no module of their own holds; empty if they are not all there."""
    vectors = [name for name, shape in parameters.items() if len(shape) == 1 and shape[0] in wanted]
    twice = {channels: 2 * count for channels, count in wanted.items()}
    learnt = Counter(parameters[name][0] for name in vectors)
    running = Counter(shape[0] for shape in buffers.values() if len(shape) == 1)
    return vectors if learnt == twice and running == twice else []


def _miscounted(norms: Sequence[NormNames], wanted: Counter[int]) -> str | None:
    found = Counter(norm.channels for norm in norms)
    for channels in sorted(wanted | found):
        if found[channels] != wanted[channels]:
            return (
                f"expected {wanted[channels]} batch normalisations of {channels} channels with "
                f"scale, shift, running mean and running variance, found {found[channels]}"
            )
    return None


def _listed(shapes: Shapes) -> str:
    listed = ", ".join(dict.fromkeys(str(shape) for shape in shapes.values()))
    return f"found the shapes {listed or 'of no parameter'}"


def _named(shapes: Shapes) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
