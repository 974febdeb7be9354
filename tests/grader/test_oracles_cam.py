"""The truth about class activation maps: which answers agree, by how much, and which never do."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from grader.checks.cam import MISSED, OTHER_MAP, SAME_MAP
from grader.checks.cam_scene import normalised
from grader.oracles import evidence
from grader.oracles.cam import (
    TOLERANCE,
    UPSAMPLING,
    Scene,
    agrees,
    apart,
    class_map,
    constant,
    enlarged,
    head,
    rounding,
    unit,
)
from grader.oracles.figure3 import Figure3, classify

SIZE = 32


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def maps(count: int, seed: int = 0) -> Tensor:
    """Random maps (count, 4, 4), float64."""
    return torch.randn(count, 4, 4, generator=generator(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def features() -> Tensor:
    """(4, 512, 4, 4), positive as behind a ReLU, and in part the same everywhere."""
    g = generator(1)
    common = torch.rand(512, 1, 1, generator=g, dtype=torch.float64)
    return common + torch.rand(4, 512, 4, 4, generator=g, dtype=torch.float64)


@pytest.fixture(scope="module")
def scene(features) -> Scene:
    predicted = torch.tensor([3, 1, 8, 0])
    return Scene(features, head(features, predicted, 10, generator(2)), predicted)


# ------------------------------------------------------------------------- ways to enlarge
@pytest.mark.parametrize("way", UPSAMPLING)
def test_every_way_is_a_matrix_for_rows_and_columns(way):
    for small in maps(5):
        found = enlarged(small, SIZE)[list(UPSAMPLING).index(way)]
        error = (UPSAMPLING[way](small, SIZE) - found).abs().max()
        # SciPy's spline of mirrored edges counts as one up to a thousandth.
        assert error <= TOLERANCE / 2 * (small.max() - small.min())


@pytest.mark.parametrize("way", UPSAMPLING)
def test_a_map_agrees_however_it_is_enlarged_and_rescaled(way):
    for small in maps(4):
        same, cut = (lambda large: large), (lambda large: large.clamp(0, 1))
        for before, after in ((unit, same), (same, unit), (unit, cut)):
            large = after(UPSAMPLING[way](before(small), SIZE))
            assert agrees(large, small)
            assert agrees(large.float(), small)
            assert agrees(3 * large + 7, small)
            assert agrees((255 * large).round() / 255, small)


def test_what_other_libraries_make_of_a_map_agrees():
    small = maps(1)[0]
    bytes_ = (255 * unit(small)).to(torch.uint8).numpy()
    answers = {
        "kron": np.kron(small.numpy(), np.ones((8, 8))),
        "repeat": small.repeat_interleave(8, 0).repeat_interleave(8, 1).numpy(),
        "Pillow, 8 bits": np.array(Image.fromarray(bytes_).resize((32, 32), Image.Resampling.BILINEAR)) / 255,
        "area": F.interpolate(small[None, None], (32, 32), mode="area")[0, 0].numpy(),
        "antialias": F.interpolate(small[None, None], (32, 32), mode="bicubic", antialias=True)[0, 0].numpy(),
    }
    for name, answer in answers.items():
        assert agrees(torch.from_numpy(np.array(answer)).double(), small), name


@pytest.mark.parametrize("name", ["INTER_NEAREST", "INTER_LINEAR", "INTER_CUBIC", "INTER_AREA"])
def test_what_opencv_makes_of_a_map_agrees(name):
    cv2 = pytest.importorskip("cv2")
    for small in maps(5):
        answer = cv2.resize(small.numpy(), (32, 32), interpolation=getattr(cv2, name))
        assert agrees(torch.from_numpy(answer), small)


def test_another_map_never_agrees():
    """Sixteen independent numbers: 400 pairs of maps, 33 ways each, and none comes near."""
    given, others = maps(400, 3), maps(400, 4)
    bilinear = UPSAMPLING["bilinear"]
    for one, other in zip(given, others, strict=True):
        assert not agrees(bilinear(one, SIZE), other)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda small: -small,
        lambda small: small.T,
        lambda small: small.flip(0),
        lambda small: small.roll(1, 1),
        lambda small: small.relu(),
        lambda small: unit(small) ** 2,
        lambda small: torch.full_like(small, 0.5),
        lambda small: small * float("nan"),
    ],
)
def test_a_spoilt_map_does_not_agree(spoil):
    for small in maps(20):
        assert not agrees(UPSAMPLING["bilinear"](spoil(small), SIZE), small)


# ------------------------------------------------------------------------------- rounding
@pytest.mark.parametrize("seed", range(20))
def test_rounding_in_float32_stays_a_hundred_times_below_the_tolerance(scene, features, seed):
    """In any order of summation, and with features that are themselves rounded."""
    order = torch.randperm(512, generator=generator(seed))
    for image, label in enumerate(scene.predicted.tolist()):
        truth = scene.map(image)
        given = features[image].float()[order]
        answer = torch.zeros(4, 4)
        for weight, feature in zip(scene.weight[label].float()[order], given, strict=True):
            answer += weight * feature
        error = (answer.double() - truth).abs().max() / (truth.max() - truth.min())
        assert error <= TOLERANCE / 100
        assert error <= rounding(features[image], scene.weight[label])


def test_the_worst_that_rounding_can_do_is_within_the_tolerance(scene, features):
    """`stage` draws again where it is not, so that no right map is refused by chance."""
    worst = max(rounding(features[image], weight) for image in range(4) for weight in scene.weight)
    assert worst <= TOLERANCE / 2
    flat = features * 1e-4 + 1  # the same everywhere, but for the last digits
    assert rounding(flat[0], scene.weight[3]) > TOLERANCE / 2


# ---------------------------------------------------------------------------- linear layer
@pytest.mark.parametrize("seed", range(20))
def test_each_image_is_of_the_wanted_class_by_a_margin(features, seed):
    g = generator(seed)
    predicted = torch.randperm(10, generator=g)[:4]
    weight = head(features, predicted, 10, g)
    assert torch.equal(weight, weight.float().double())
    logits = classify(features, weight, torch.zeros(10).double())
    assert torch.equal(logits.argmax(1), predicted)
    first, second = logits.topk(2).values.T
    assert (first - second >= 0.99).all()
    scatter = torch.einsum("nchw,kc->nkhw", features - features.mean((2, 3), keepdim=True), weight).std((2, 3))
    assert 0.3 < scatter.min() and scatter.max() < 3


def test_the_mean_of_a_map_is_the_logit(scene, features):
    logits = classify(features, scene.weight, torch.zeros(10).double())
    means = torch.stack([torch.stack([class_map(f, w).mean() for w in scene.weight]) for f in features])
    torch.testing.assert_close(means, logits)


# ------------------------------------------------------------------------------- thresholds
def test_a_map_that_is_rescaled_first_misses_0_and_1_by_less_than_is_allowed():
    peak = torch.zeros(4, 4).double()
    peak[1, 2] = 1  # the worst case: its neighbours are as far away as can be
    for small in (peak, 1 - peak, *maps(50).unbind()):
        for large in enlarged(unit(small), SIZE):
            assert large.max() >= 1 - MISSED
            assert large.min() <= MISSED


def test_what_is_left_by_clipping_and_8_bits_is_still_another_map():
    """Of maps that are `OTHER_MAP` apart, no usual answers come as near as `SAME_MAP`."""
    tried, nearest = 0, 1.0
    for one, other in zip(maps(300, 5), maps(300, 6), strict=True):
        if apart(one, other, SIZE) < OTHER_MAP:
            continue
        tried += 1
        for large in zip(enlarged(unit(one), SIZE), enlarged(unit(other), SIZE), strict=True):
            answers = [unit((255 * form.clamp(0, 1)).floor() / 255) for form in large]
            nearest = min(nearest, (answers[0] - answers[1]).abs().mean().item())
    assert tried > 200
    assert nearest > SAME_MAP * 1.25


def test_only_a_map_without_any_contrast_is_constant():
    assert constant(torch.full((32, 32), 0.3))
    assert constant(0.3 + 1e-7 * torch.rand(32, 32))
    assert not constant(torch.linspace(0, 0.01, 1024).reshape(32, 32))


# ------------------------------------------------------------------------------ faults told
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda scene: scene.map(2, 5), "its correlation with that is"),
        (lambda scene: torch.ones(4, 4).double(), "constant"),
        (lambda scene: scene.map(2) + 0.5 * unit(scene.map(2)) ** 2, "enlarged in no way"),
    ],
)
def test_what_is_not_the_map_is_told_so(scene, spoil, said):
    answer = UPSAMPLING["bicubic"](spoil(scene), SIZE)
    assert said in scene.fault(answer, 2)


def test_a_right_map_has_no_fault(scene):
    assert [scene.fault(UPSAMPLING["bicubic"](scene.map(n), SIZE), n) for n in range(4)] == [""] * 4


# -------------------------------------------------------------------------------- quadrants
def figure_3_of_colours(images: Tensor, weights: list[Tensor]) -> Tensor:
    """Figure 3 with fresh normalisations, whose branches are 0: only the shortcuts are left."""
    x = F.conv2d(images, weights[0].double(), padding=1).relu()
    for place in range(3):
        first, second, across = (weight.double() for weight in weights[1 + 3 * place : 4 + 3 * place])
        assert not first.any() and not second.any()
        x = F.conv2d(x, across, stride=2).relu()
    return x


@pytest.mark.parametrize("seed", range(10))
def test_evidence_lights_its_quadrant_in_every_way_of_enlarging(seed):
    figure = Figure3()
    shown = evidence.drawn(figure, generator(seed))
    seen = figure_3_of_colours(normalised(shown.pixels).double(), evidence.convolutions(figure))
    logits = classify(seen, shown.weight.double(), torch.zeros(10).double())
    assert (logits.argmax(1) == shown.predicted).all()
    for quadrant in range(4):
        small = class_map(seen[quadrant], shown.weight[shown.predicted].double())
        for large in enlarged(small, SIZE):
            means = evidence.quadrants(unit(large))
            assert means[quadrant] > 0.7
            assert torch.cat([means[:quadrant], means[quadrant + 1 :]]).max() < 0.15
        other = class_map(seen[quadrant], shown.weight[shown.other].double())
        found = evidence.quadrants(unit(UPSAMPLING["bilinear"](other, SIZE)))
        assert found.argmax() == shown.elsewhere[quadrant] != quadrant
        plain = evidence.quadrants(unit(UPSAMPLING["bilinear"](seen[quadrant].sum(0), SIZE)))
        assert plain.argmax() == shown.elsewhere[quadrant]
