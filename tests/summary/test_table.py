"""The layer table: every cell of EEE7331's networks against hand-computed values, and odd networks."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import reference.nn
from reference.eee7331.assignment1.question1.model import CustomCNN, SeparableCNN
from reference.summary import Row, summarise

IMAGE = (3, 32, 32)
# By hand: 30 = 32 + 2 - 5 + 1; 2,432 = 32·(5·5·3 + 1); 28,800 = 30·30·32; 2,160,000 = 28,800·5·5·3. Pooling floors.
INPUT = ("Input", "-", "32x32x3", 0, None, None)
FIRST = [
    ("Conv1-1", "32/5x5/1/1", "30x30x32", 2_432, 28_800, 2_160_000),
    ("Pool-1", "2x2/2/0", "15x15x32", 0, 7_200, 0),
]
LAST = [
    ("Pool-3", "2x2/2/0", "3x3x128", 0, 1_152, 0),
    ("FC", "500", "500", 576_500, 500, 576_000),
    ("Output", "10", "10", 5_010, 10, 5_000),
]
POOL_2 = ("Pool-2", "2x2/2/0", "7x7x64", 0, 3_136, 0)
PART_A = [
    INPUT,
    *FIRST,
    ("Conv2-1", "64/3x3/1/1", "15x15x64", 18_496, 14_400, 4_147_200),
    POOL_2,
    ("Conv3-1", "128/3x3/1/1", "7x7x128", 73_856, 6_272, 3_612_672),
    *LAST,
]
PART_B = [
    INPUT,
    *FIRST,
    ("Conv2-dw", "32/3x3/1/1", "15x15x32", 320, 7_200, 64_800),
    ("Conv2-pw", "64/1x1/1/0", "15x15x64", 2_112, 14_400, 460_800),
    POOL_2,
    ("Conv3-dw", "64/3x3/1/1", "7x7x64", 640, 3_136, 28_224),
    ("Conv3-pw", "128/1x1/1/0", "7x7x128", 8_320, 6_272, 401_408),
    *LAST,
]


@pytest.mark.parametrize("layers", ["own", "torch"])
@pytest.mark.parametrize(
    ("network", "rows", "total"),
    [
        (CustomCNN, PART_A, ("Total", "-", "-", 676_294, 61_470, 10_500_872)),
        (SeparableCNN, PART_B, ("Total", "-", "-", 595_334, 71_806, 3_696_232)),
    ],
    ids=["A", "B"],
)
def test_every_cell_is_the_one_computed_by_hand(network, layers, rows, total):
    table = summarise(network(layers=layers), IMAGE)
    assert list(table.rows) == [Row(*row) for row in rows]
    assert table.total == Row(*total)


def row_of(layer: nn.Module, *shape: int) -> Row:
    """The one row of a layer by itself."""
    _, row = summarise(nn.Sequential(layer), shape).rows
    return row


@pytest.mark.parametrize("library", [nn, reference.nn], ids=["torch", "own"])
def test_sizes_that_differ_along_the_axes_are_both_shown(library):
    convolution = library.Conv2d(2, 4, (3, 5), stride=(1, 2), padding=(1, 0), bias=False)
    # OH = 7 + 2 - 3 + 1, OW = floor((12 - 5) / 2) + 1; 4·2·3·5 weights, each used at 28 places
    assert row_of(convolution, 2, 7, 12) == Row("Conv1-1", "4/3x5/1x2/1x0", "7x4x4", 120, 112, 3_360)
    assert row_of(library.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0)), 2, 7, 12) == Row(
        "Pool-1", "3x2/2x1/1x0", "4x11x2", 0, 88, 0
    )


@pytest.mark.parametrize("library", [nn, reference.nn], ids=["torch", "own"])
def test_dilation_and_groups_are_told_and_a_groups_weights_see_its_channels_alone(library):
    dilated = row_of(library.Conv2d(3, 4, 3, padding=2, dilation=2), 3, 8, 8)
    assert (dilated.settings, dilated.feature_map, dilated.weights) == ("4/3x3/1/2 dilation 2", "8x8x4", 112)
    grouped = row_of(library.Conv2d(4, 6, 3, groups=2), 4, 8, 8)
    assert (grouped.layer, grouped.settings, grouped.weights) == ("Conv1-1", "6/3x3/1/0 groups 2", 114)
    assert grouped.multiply_adds == 6 * 6 * 6 * 2 * 9


def test_padding_in_words_stays_a_word():
    assert row_of(reference.nn.Conv2d(1, 2, 3, padding="same"), 1, 5, 5).settings == "2/3x3/1/same"


def test_average_and_adaptive_pooling():
    assert row_of(reference.nn.AvgPool2d(2), 3, 9, 9).settings == "2x2/2/0"
    assert row_of(nn.AdaptiveAvgPool2d(1), 3, 4, 6) == Row("Pool-1", "4x6/4x6/0", "1x1x3", 0, 3, 0)
    assert row_of(nn.AdaptiveAvgPool2d(3), 3, 4, 4).settings == "adaptive"


def test_what_only_looks_like_a_pooling_has_no_row():
    net = nn.Sequential(nn.Unfold(2), nn.Flatten(), nn.Linear(12 * 27, 5))
    assert [row.layer for row in summarise(net, (3, 4, 10)).rows] == ["Input", "Output"]


def test_each_weight_of_a_transposed_convolution_meets_each_place_of_the_input():
    assert row_of(nn.ConvTranspose2d(2, 4, 3, stride=2), 2, 5, 5).multiply_adds == 25 * 2 * 4 * 9


def test_a_linear_layer_over_many_places_multiplies_at_each():
    assert row_of(nn.Linear(4, 6), 5, 4) == Row("Output", "6", "6x5", 30, 30, 120)


def test_batch_normalisation_has_its_weights_and_no_neurons():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(288, 4))
    table = summarise(net, (3, 8, 8))
    assert [row.layer for row in table.rows] == ["Input", "Conv1-1", "BatchNorm2d-1", "Output"]
    assert table.rows[2] == Row("BatchNorm2d-1", "-", "6x6x8", 16, None, 288)
    assert table.total.neurons == 288 + 4


class Reused(nn.Module):
    """One convolution, called twice, and a parameter and a layer that no traced call has."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 2, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(7))
        self.idle = nn.Linear(3, 3)

    def forward(self, x):
        return F.relu(self.convolution(self.convolution(x)) * self.scale[0])


def test_a_layer_called_twice_has_two_rows_and_its_weights_once():
    _, first, second, rest = summarise(Reused(), (2, 4, 4)).rows
    assert (first.layer, first.weights, second.layer, second.weights) == ("Conv1-1", 38, "Conv1-2", 0)
    assert first.neurons == second.neurons == 32 and first.multiply_adds == second.multiply_adds
    assert (rest.layer, rest.weights) == ("Other weights", 7 + 12)


def test_work_that_is_not_known_is_not_said_to_be_none():
    _, recurrent = summarise(nn.LSTM(3, 4, batch_first=True), (5, 3)).rows
    assert (recurrent.layer, recurrent.weights, recurrent.multiply_adds) == ("LSTM-1", 4 * 4 * (3 + 4 + 2), None)


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (Reused(), (2, 6, 6)),
        (nn.Sequential(nn.Flatten(), nn.PReLU(), nn.Linear(12, 2), nn.LayerNorm(2)), (3, 2, 2)),
        (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))), (3, 5, 5)),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8)),
        (nn.Conv2d(3, 4, 3), (3, 5, 5)),
    ],
    ids=["reused", "others", "parametrised", "transformer", "a layer alone"],
)
def test_the_weights_add_up_to_all_parameters(net, shape):
    assert summarise(net, shape).total.weights == sum(parameter.numel() for parameter in net.parameters())


def test_stages_end_with_a_pooling_and_layers_of_one_kind_are_numbered():
    def separable(channels: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, channels, 3, padding=1, groups=channels), nn.Conv2d(channels, channels, 1)]

    net = nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 3), nn.MaxPool2d(2), *separable(4), *separable(4), nn.MaxPool2d(2),
        *separable(4), nn.Flatten(), nn.Linear(16, 8), nn.Linear(8, 8), nn.Linear(8, 2),
    )  # fmt: skip
    assert [row.layer for row in summarise(net, (1, 10, 10)).rows] == [
        "Input", "Conv1-1", "Conv1-2", "Pool-1", "Conv2-dw-1", "Conv2-pw-1", "Conv2-dw-2", "Conv2-pw-2", "Pool-2",
        "Conv3-dw", "Conv3-pw", "FC-1", "FC-2", "Output",
    ]  # fmt: skip


def test_a_net_keeps_its_modes_its_numbers_and_its_hooks():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4).eval(), nn.Dropout())
    modes = [module.training for module in net.modules()]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    summarise(net, (3, 5, 5))
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_a_net_without_layers_is_refused():
    with pytest.raises(ValueError, match="at least one layer .* found none in Sequential"):
        summarise(nn.Sequential(nn.ReLU(), nn.Flatten()), IMAGE)


def test_an_input_that_the_net_does_not_take_is_refused_and_leaves_no_hooks():
    net = nn.Sequential(nn.Conv2d(3, 4, 3)).train()
    with pytest.raises(ValueError, match=r"inputs of shape \(1, 5, 5\).*without the batch"):
        summarise(net, (1, 5, 5))
    assert net.training and not net[0]._forward_hooks
