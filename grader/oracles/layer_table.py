"""The layer table that EEE7331 asks for: every cell by arithmetic from a network's description, and which are wrong.

A cell is judged by what it says, not by how it is spelt. A wrong one is named with what stands in it and with the
rule that gives the right number, and where a known slip gives the number that was found, with the slip. The right
number itself is not named: whoever is graded again would only have to copy it. Who has to defend the points can
redo the rule by hand, and finds all cells in the solution's table.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from grader.oracles.plain_cnn import Convolution, Layer, Linear, PlainCNN, Pooling
from grader.worker.protocol import clean

COLUMNS = ("Layer", "#filters/window/stride/padding", "Feature map", "#weights", "#neurons")
SETTINGS, FEATURE_MAP, WEIGHTS, NEURONS = range(1, 5)  # places in a row
INPUT, TOTAL = "Input", "Total"

Table = Mapping[str, Sequence[str]]  # key of a row → its cells

# A dash of any length, and the words for it.
_NOTHING = re.compile(r"[-‐‑‒–—−]+|none|n/?a", re.IGNORECASE)
_BLANKS = re.compile(r"\s+")  # of any kind, the narrow ones of numbers, too
# 676294, 676,294, 676.294, 676'294 or 676_294; 676294.0 as a spreadsheet may write it.
_NUMBER = re.compile(r"(\d{1,3}(?:[,.'’_]\d{3}){1,4}|\d{1,15})(?:\.0{1,2})?", re.ASCII)
_TIMES = str.maketrans({"×": "x", "X": "x", "*": "x", "✕": "x", "⨯": "x"})

RULES = {
    Convolution: "filters × (window height × window width × channels that a filter sees + 1)",
    Pooling: "0, since pooling learns nothing",
    Linear: "units × (numbers that come in + 1)",
}


@dataclass(frozen=True)
class Fault:
    """A wrong cell, in one line."""

    row: str
    column: int
    said: str

    def __str__(self) -> str:
        return f"{self.row}, {COLUMNS[self.column]}: {self.said}"


def key(name: str) -> str:
    """A row's name without what may be spelt otherwise."""
    return re.sub(r"[\W_]+", "", name).casefold()


def row_names(network: PlainCNN) -> tuple[str, ...]:
    """Of the table, in order."""
    return (INPUT, *network.layers(), TOTAL)


# ------------------------------------------------------------------------- what a cell says
def plain(cell: str) -> str:
    """A cell without blanks; "" where there is nothing in it."""
    return _BLANKS.sub("", cell)


def number(cell: str) -> int | None:
    """The whole number in a cell; None where there is none."""
    match = _NUMBER.fullmatch(plain(cell))
    return int(re.sub(r"\D", "", match[1])) if match else None


def extents(cell: str) -> tuple[int, ...] | None:
    """`30x30x32` → (30, 30, 32); None where it is something else."""
    found = [number(part) for part in plain(cell).translate(_TIMES).split("x")]
    return None if None in found else tuple(found)


def is_dash(cell: str) -> bool:
    """Whether it says that there is nothing to say."""
    return bool(_NOTHING.fullmatch(plain(cell)))


def count(cell: str) -> int | None:
    """The number in a cell where a dash is none of them."""
    return 0 if is_dash(cell) else number(cell)


# ------------------------------------------------------------------------- what it should say
def feature_map(layer: Layer) -> tuple[int, ...]:
    """Height, width and channels, or the units."""
    match layer:
        case Convolution():
            return (layer.out_size, layer.out_size, layer.out_channels)
        case Pooling():
            return (layer.out_size, layer.out_size, layer.channels)
        case Linear():
            return (layer.out_features,)


def weights(layer: Layer) -> int:
    """What it learns, biases included."""
    return sum(math.prod(shape) for shape in layer.shapes)


def neurons(layer: Layer) -> int:
    """The numbers of its feature map."""
    return math.prod(feature_map(layer))


def totals(network: PlainCNN) -> tuple[int, int]:
    """Weights and neurons of all layers; the input is not counted."""
    layers = network.layers().values()
    return sum(map(weights, layers)), sum(map(neurons, layers))


# ------------------------------------------------------------------------- what is wrong
def settings_faults(network: PlainCNN, table: Table) -> list[Fault]:
    """Wrong cells of filters, window, stride and padding."""
    faults = []
    for name, layer in network.layers().items():
        cell = table[key(name)][SETTINGS]
        if _settings(cell) not in _accepted_settings(layer):
            faults.append(Fault(name, SETTINGS, _found(cell, _SETTINGS_RULES[type(layer)])))
    return faults


def feature_map_faults(network: PlainCNN, table: Table) -> list[Fault]:
    """Wrong feature maps."""
    faults = []
    image = (network.image_size, network.image_size, network.in_channels)
    if extents(table[key(INPUT)][FEATURE_MAP]) != image:
        faults.append(Fault(INPUT, FEATURE_MAP, _found(table[key(INPUT)][FEATURE_MAP], "as it was given")))
    rounded_up = replace(network, rounds_up=True).layers()
    for name, layer in network.layers().items():
        cell, wanted = table[key(name)][FEATURE_MAP], feature_map(layer)
        found = extents(cell)
        if found == wanted or (isinstance(layer, Linear) and found and _without_ones(found) == wanted):
            continue
        rule = "the units of the layer"
        if not isinstance(layer, Linear):
            rule = "height × width × channels, each side ⌊(side before + 2 × padding − window) / stride⌋ + 1"
        slips = {
            feature_map(rounded_up[name]): "rounded up, where what no whole window reaches is dropped",
            (wanted[-1], *wanted[:-1]): "the channels come last",
            wanted[:-1]: "without the channels",
        }
        if isinstance(layer, Convolution):
            same = (layer.in_size, layer.in_size, layer.out_channels)
            slips[same] = "as if the padding kept the size"
        faults.append(Fault(name, FEATURE_MAP, _found(cell, rule, slips.get(found, ""))))
    return faults


def weight_faults(network: PlainCNN, table: Table) -> list[Fault]:
    """Wrong numbers of weights."""
    faults = []
    if count(table[key(INPUT)][WEIGHTS]) != 0:
        faults.append(Fault(INPUT, WEIGHTS, _found(table[key(INPUT)][WEIGHTS], "as it was given")))
    rounded_up = replace(network, rounds_up=True).layers()
    for name, layer in network.layers().items():
        cell = table[key(name)][WEIGHTS]
        found = count(cell) if isinstance(layer, Pooling) else number(cell)
        if found != weights(layer):
            slip = _weight_slips(layer, rounded_up[name]).get(found, "")
            faults.append(Fault(name, WEIGHTS, _found(cell, RULES[type(layer)], slip)))
    return faults


def neuron_faults(network: PlainCNN, table: Table) -> list[Fault]:
    """Wrong numbers of neurons."""
    faults = []
    if count(table[key(INPUT)][NEURONS]) != 0:
        rule = "as it was given, the input has none"
        faults.append(Fault(INPUT, NEURONS, _found(table[key(INPUT)][NEURONS], rule)))
    for name, layer in network.layers().items():
        cell = table[key(name)][NEURONS]
        found = number(cell)
        if found != neurons(layer):
            own = extents(table[key(name)][FEATURE_MAP])
            slips = {
                math.prod(feature_map(layer)[:-1]): "of one channel only",
                weights(layer): "these are the weights",
            }
            if own and own != feature_map(layer):
                slips[math.prod(own)] = "it follows from this row's feature map, which is wrong"
            slip = slips.get(found, "")
            faults.append(Fault(name, NEURONS, _found(cell, "the numbers of this row's feature map", slip)))
    return faults


def total_faults(network: PlainCNN, table: Table) -> list[Fault]:
    """Wrong totals; what stands in the total's first cells is nobody's question."""
    faults = []
    for column, wanted in zip((WEIGHTS, NEURONS), totals(network), strict=True):
        cell = table[key(TOTAL)][column]
        if number(cell) == wanted:
            continue
        column_above = [count(table[key(name)][column]) for name in (INPUT, *network.layers())]
        slips = {wanted + network.image_size**2 * network.in_channels: "the input is counted, too"}
        if None not in column_above:
            slips[sum(column_above)] = "it is the sum of the cells above, of which some are wrong"
        slip = slips.get(number(cell), "")
        faults.append(Fault(TOTAL, column, _found(cell, "the sum of the column, the input left out", slip)))
    return faults


# ------------------------------------------------------------------------- shared
_SETTINGS_RULES = {
    Convolution: "filters/window/stride/padding as the text gives them, like 32/5x5/1/1",
    Pooling: "window/stride/padding as the text gives them",
    Linear: "the number of units",
}


def _found(cell: str, rule: str, slip: str = "") -> str:
    if not plain(cell):
        return f"not filled in; expected {rule}"
    shown = clean(cell, 40).replace("\n", " ")
    return f"found {shown!r}; expected {rule}{f' ({slip})' if slip else ''}"


def _settings(cell: str) -> tuple[tuple[int, ...] | None, ...]:
    """`32/5x5/1/1` → ((32,), (5,), (1,), (1,)): of a square the side; a dash as ()."""
    parts = [() if is_dash(part) else extents(part) for part in plain(cell).split("/")]
    return tuple(part[:1] if part and len(part) == 2 and part[0] == part[1] else part for part in parts)


def _accepted_settings(layer: Layer) -> list[tuple[tuple[int, ...], ...]]:
    match layer:
        case Convolution():
            return [((layer.out_channels,), (layer.kernel_size,), (layer.stride,), (layer.padding,))]
        case Pooling():
            pools = [((layer.window,), (layer.stride,), padding) for padding in ((0,), ())]
            return [(*filters, *pool) for pool in pools for filters in ((), ((),), ((layer.channels,),))]
        case Linear():
            return [((layer.out_features,),)]


def _without_ones(found: tuple[int, ...]) -> tuple[int, ...]:
    """(1, 1, 500) → (500,)."""
    return tuple(extent for extent in found if extent != 1)


def _weight_slips(layer: Layer, rounded_up: Layer) -> dict[int, str]:
    """What known slips give in place of a layer's weights; a later one goes before an earlier one."""
    match layer:
        case Pooling():
            return {}
        case Linear():
            return {
                weights(rounded_up): "as after a stage whose feature map was rounded up",
                layer.in_features * layer.out_features: "without the biases",
                layer.in_features * layer.out_features + 1: "there is one bias per unit",
            }
    window, filters = layer.kernel_size**2, layer.out_channels
    seen = 1 if layer.depthwise else layer.in_channels
    slips = {
        weights(layer) * layer.out_size**2: "the weights are shared by all places of the feature map",
        filters * (window + 1): "each filter sees all channels of its input",
        filters * (layer.kernel_size * seen + 1): "a window has height and width",
        filters * window * seen + 1: "there is one bias per filter",
    }
    if layer.depthwise:
        slips |= {
            filters * (window * layer.in_channels + extra): "in a depth-wise convolution each filter sees one channel"
            for extra in (0, 1)
        }
    slips[filters * window * seen] = "without the biases"
    return {wrong: said for wrong, said in slips.items() if wrong != weights(layer)}
