"""The table of layer speeds: a complete suite, right counts and means, cells that say what was timed."""

import collections
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from tests.benchmarks import algorithms, peers, rendering
from tests.benchmarks.algorithms import Products
from tests.benchmarks.peak import Peak
from tests.benchmarks.results import Row, geometric_mean, sections, summaries
from tests.benchmarks.suite import CONVOLUTIONS, POOLINGS, ConvShape, PoolShape
from tests.benchmarks.table import parse, plan
from tests.benchmarks.timing import WARM_UP, Effort, in_turns, ratio

NAMES = {shape.name for shape in (*CONVOLUTIONS, *POOLINGS)}
COURSE = """
1-3 @28 3x3; 3-6 @14 3x3; 3-64 @32 3x3; 64-128 @32 3x3 stride 2; 128-128 @16 3x3; 128-256 @16 3x3 stride 2
256-256 @8 3x3; 256-512 @8 3x3 stride 2; 512-512 @4 3x3
64-128 @32 1x1 stride 2; 128-256 @16 1x1 stride 2; 256-512 @8 1x1 stride 2; 16-32 @32 1x1 stride 2
1-16 @28 3x3; 1-32 @28 3x3; 1-16 @28 5x5; 1-32 @28 5x5; 3-16 @32 3x3; 3-32 @32 3x3
3-32 @32 5x5 padding 1; 3-32 @32 5x5; 3-64 @32 11x11 padding 0
16-16 @32 3x3; 32-32 @16 3x3; 32-64 @14 3x3; 64-64 @16 3x3; 64-64 @8 3x3; 64-128 @16 3x3; 128-128 @8 3x3
256-256 @4 3x3; 16-32 @32 3x3 stride 2; 32-32 @16 5x5; 32-64 @8 5x5
32-64 @15 1x1; 64-128 @16 1x1; 32 depthwise @15 3x3; 64 depthwise @7 3x3
max 2/2 16 @28; max 2/2 32 @28; max 2/2 64 @28; max 2/2 16 @32; max 2/2 32 @32; max 2/2 64 @32
max 3/2 32 @32; max 2/2 32 @15; max 2/2 64 @7; average 2/2 32 @32; average global 512 @4
"""
TAKEN = {"ours": [0.002, 0.001, 0.004], "torch NCHW": [0.008, 0.008, 0.008], "torch channels_last": [0.004] * 3}
ROW = Row("convolution, forward", "1-3 @28 3x3", 64, 4e8, TAKEN)


def test_the_suite_holds_every_shape_of_the_course():
    assert {name.strip() for name in COURSE.replace("\n", ";").split(";") if name.strip()} <= NAMES


def test_every_shape_has_a_name_of_its_own():
    assert len(NAMES) == len(CONVOLUTIONS) + len(POOLINGS)


@pytest.mark.parametrize("shape", CONVOLUTIONS, ids=lambda shape: shape.name)
def test_operations_are_those_that_torch_counts(shape):
    input, weight = torch.empty(2, *shape.input, device="meta"), torch.empty(shape.weight, device="meta")
    with FlopCounterMode(display=False) as counter:
        output = F.conv2d(input, weight, None, shape.stride, shape.padding, groups=shape.groups)
    assert shape.operations(2) == counter.get_total_flops()
    assert output.shape[1:] == shape.output


@pytest.mark.parametrize("shape", POOLINGS, ids=lambda shape: shape.name)
def test_poolings_have_torchs_output_size(shape):
    output = F.avg_pool2d(torch.empty(1, *shape.input, device="meta"), shape.kernel_size, shape.stride, shape.padding)
    assert output.shape[1:] == shape.output


def test_a_pooling_moves_its_input_and_its_output_once():
    assert PoolShape("max", (3, 5, 5), 2, 2).bytes_moved(7) == 4 * 7 * 3 * (25 + 4)


def test_only_the_layers_that_see_images_are_first_layers():
    assert {shape.input[0] for shape in CONVOLUTIONS if shape.first_layer} == {1, 3}
    assert all(shape.input[1] in (28, 32) for shape in CONVOLUTIONS if shape.first_layer)


def test_training_counts_three_products_and_a_first_layer_two():
    first, later = ConvShape((3, 8, 8), (4, 3, 3, 3), first_layer=True), ConvShape((3, 8, 8), (4, 3, 3, 3))
    counted = [[peers.work(shape, 5, way) for way in peers.directions(shape)] for shape in (first, later)]
    once = first.operations(5)
    assert counted == [[once, 3 * once, 2 * once, 2 * once], [once, 3 * once, 2 * once]]


def test_training_moves_a_poolings_bytes_twice():
    shape = PoolShape("max", (3, 5, 5), 2, 2)
    assert [peers.work(shape, 7, way) / shape.bytes_moved(7) for way in peers.directions(shape)] == [1, 2]


@pytest.mark.parametrize("direction", [peers.FORWARD, peers.TRAINING, peers.FIRST_LAYER, peers.ATTACK])
def test_peers_compute_the_same_layer(direction):
    shape = ConvShape((4, 9, 9), (6, 2, 3, 3), 2, 1, 2)
    results = {peer.name: peers.step(peer, shape, 2, direction)() for peer in peers.PEERS}
    peers.agree(results, shape.name)
    assert all(len(result) == len(direction.needed) for result in results.values() if direction.needed)


@pytest.mark.parametrize("shape", [PoolShape("max", (3, 9, 9), 3, 2, 1), PoolShape("average", (3, 8, 8), 2, 2)])
@pytest.mark.parametrize("direction", [peers.FORWARD, peers.TRAINING])
def test_peers_compute_the_same_pooling(shape, direction):
    peers.agree({peer.name: peers.step(peer, shape, 2, direction)() for peer in peers.PEERS}, shape.name)


@pytest.mark.parametrize("wrong", [torch.tensor([1.0, 2.01]), torch.tensor([1.0, math.nan]), torch.tensor([1.0])])
def test_peers_that_disagree_are_not_timed(wrong):
    with pytest.raises(ArithmeticError, match="some layer.*torch NCHW"):
        peers.agree({"ours": wrong, "torch NCHW": torch.tensor([1.0, 2.0])}, "some layer")


def test_channels_last_has_all_its_operands_in_that_layout():
    seen = []

    def layer(input, weight, bias, **keywords):
        output = F.conv2d(input, weight, bias, **keywords)
        output.register_hook(lambda grad: seen.append(grad.is_contiguous(memory_format=torch.channels_last)))
        seen.extend(x.is_contiguous(memory_format=torch.channels_last) for x in (input, weight, output))
        return output

    peer = peers.Peer("a", layer, {}, torch.channels_last)
    peers.step(peer, ConvShape((4, 9, 9), (6, 4, 3, 3)), 2, peers.TRAINING)()
    assert seen == [True] * 4


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    assert ratio([1.0, 2.0, 4.0], [4.0, 4.0, 4.0]) == 2.0
    assert ROW.ratio_to("torch NCHW") == 4.0


def test_a_row_is_compared_with_the_faster_peer():
    assert ROW.ratio == 2.0


def test_twice_as_fast_and_half_as_fast_cancel_out():
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
    assert geometric_mean([1.0, 2.0, 4.0]) == pytest.approx(2.0)


def test_a_summary_counts_and_names_where_a_peer_was_faster():
    slow = Row(ROW.section, "3-6 @14 3x3", 128, 1.0, TAKEN | {"ours": [0.008] * 3})
    (line,) = summaries([ROW, slow])
    assert (line.rows, line.below_one, line.worst) == (2, 1, slow)
    assert line.mean == pytest.approx(1.0) and line.mean_to_nchw == pytest.approx(2.0)


def test_sections_are_not_mixed():
    other = Row("max pooling, forward", "max 2/2 3 @28", 64, 1.0, TAKEN)
    assert sections([ROW, other, ROW]) == {ROW.section: [ROW, ROW], other.section: [other]}
    assert [line.rows for line in summaries([ROW, other, ROW])] == [2, 1]


def test_cells_of_a_convolution():
    sheet = rendering.section_sheet(ROW.section, [ROW], Peak(8e11, 1e10))
    assert sheet.cells == [["1-3 @28 3x3", "64", "2.00", "8.00", "4.00", "2.00", "200.0", "25%", "12%"]]
    assert len(sheet.heads) == len(sheet.cells[0])


def test_cells_of_a_pooling_are_in_bytes_and_name_both_layouts():
    row = Row("max pooling, forward", "max 2/2 3 @28", 64, 4e6, TAKEN)
    sheet = rendering.section_sheet(row.section, [row], Peak(8e11, 1e10))
    assert sheet.cells == [["max 2/2 3 @28", "64", "2.00", "8.00", "4.00", "2.00", "4.0", "2.0", "20%", "10%"]]
    assert len(sheet.heads) == len(sheet.cells[0])


@pytest.mark.parametrize("product", algorithms.PRODUCTS)
def test_algorithms_are_compared_with_both_layouts(product):
    shape = ConvShape((3, 6, 6), (4, 3, 3, 3), padding=1)
    measured = algorithms.measure(shape, 2, product, Effort(seconds=0, least=1))
    assert {"im2col", "direct", *algorithms.LAYOUTS} <= set(measured.seconds)
    assert measured.fastest in measured.ours and not algorithms.NOT_MEANT_HERE & set(measured.seconds)


def test_cells_of_the_algorithms():
    shape = CONVOLUTIONS[0]
    seconds = {"direct": 0.002, "im2col": 0.003, "torch NCHW": 0.004, "torch channels_last": 0.005}
    partial = Products(CONVOLUTIONS[1], 64, "forward", {"gemm": 0.001, **seconds})
    sheet = rendering.algorithms_sheet("forward", [Products(shape, 64, "forward", seconds), partial])
    assert sheet.heads[4:] == ["direct", "im2col", "gemm", "torch NCHW", "torch channels_last"]
    assert sheet.cells[0] == [shape.name, "64", "direct", "2.00", "2.00", "3.00", "-", "4.00", "5.00"]
    assert sheet.cells[1][2:4] == ["gemm", "4.00"]


def test_markdown_has_a_rule_and_one_line_per_row():
    sheet = rendering.Sheet("some layers", ["shape", "ms"], [["a", "1"], ["b", "2"]])
    assert rendering.as_markdown(sheet).splitlines() == [
        "### Some layers", "", "| shape | ms |", "| --- | ---: |", "| a | 1 |", "| b | 2 |"
    ]  # fmt: skip


def test_calls_are_in_turns_and_equally_many():
    called = []
    functions = {name: lambda name=name: called.append(name) for name in "abc"}
    times = in_turns(functions, Effort(seconds=0, least=4))
    assert {name: len(values) for name, values in times.items()} == dict.fromkeys("abc", 4)
    rounds = called[3 * WARM_UP + 3 :]
    assert [set(rounds[at : at + 3]) for at in range(0, 12, 3)] == [set("abc")] * 4


def test_everybody_follows_everybody_as_often():
    called = []
    functions = {name: lambda name=name: called.append(name) for name in "abc"}
    in_turns(functions, Effort(seconds=0, least=1000, most=1000))
    rounds = called[3 * WARM_UP + 3 :]
    followed = collections.Counter(zip(rounds, rounds[1:]))
    often = [followed[pair] for pair in itertools.permutations("abc", 2)]
    assert max(often) < 1.3 * min(often)


@pytest.mark.parametrize("per_round, expected", [(1e-6, 50), (0.1, 10), (1.0, 7)])
def test_rounds_fill_the_time_within_their_bounds(per_round, expected):
    assert Effort(seconds=1.0, least=7, most=50).rounds(per_round) == expected


def test_the_whole_table_measures_everything_the_quick_one_batch_64():
    whole, quick = plan(parse([])), plan(parse(["--quick"]))
    assert {item[2] for item in whole} == {1, 64, 128, 500} and {item[2] for item in quick} == {64}
    assert {item[1] for item in whole} == {item[1] for item in quick} == {*CONVOLUTIONS, *POOLINGS}
    assert {item[0] for item in whole if "inference" in item[0]} == {
        "convolution, inference", "max pooling, inference", "average pooling, inference"
    }  # fmt: skip


def test_a_name_that_no_shape_has_is_refused(capsys):
    with pytest.raises(SystemExit):
        parse(["--only", "9x9"])
    assert "9x9" in capsys.readouterr().err


def test_batches_and_shapes_can_be_named():
    found = plan(parse(["--only", "^1-3 ", "--batches", "5", "--forward-only"]))
    assert [(item[1].name, item[2], item[3]) for item in found] == [("1-3 @28 3x3", 5, peers.FORWARD)]
