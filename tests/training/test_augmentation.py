"""Crops, flips and normalisation of a whole batch, beside torchvision's of one image."""

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as TF
from PIL import Image
from scipy import stats
from torchvision import transforms

from reference.training.augmentation import Normalise, RandomCrops, resized_crops

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# What both sides of a comparison of two samples may differ by: the tests below compute fewer than
# 100 of these probabilities together, so all of them raise less than one false alarm in a million.
# The seeds are fixed besides: what passes once passes always.
ALARM = 1e-8
DRAWN = 20_000

# height, width, scale, ratio of RandomResizedCrop.
GEOMETRIES = {
    "the assignment's": (32, 32, (0.8, 1.0), (3 / 4, 4 / 3)),
    "torchvision's defaults": (32, 32, (0.08, 1.0), (3 / 4, 4 / 3)),
    "lying, most draws fit": (24, 40, (0.08, 1.0), (3 / 4, 4 / 3)),
    "standing, lopsided ratio": (40, 28, (0.2, 1.0), (0.5, 1.1)),
    "wide ratio, many draws do not fit": (32, 32, (0.7, 1.0), (1 / 6, 6.0)),
    "lying, half of the crops are the middle": (16, 64, (0.3, 1.0), (3 / 4, 4 / 3)),
    "lying, nothing ever fits": (16, 64, (0.8, 1.0), (3 / 4, 4 / 3)),
    "standing, nothing ever fits": (63, 16, (0.8, 1.0), (0.7, 1.3)),
}


def drawn_by_torchvision(height, width, scale, ratio, count=DRAWN) -> np.ndarray:
    """(count, 4): top, left, height, width."""
    image = torch.empty(3, height, width)
    draw = transforms.RandomResizedCrop.get_params
    return np.array([draw(image, list(scale), list(ratio)) for _ in range(count)])


def same_distribution(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The probability of two samples of categories (n, columns) to differ by so much (χ² test)."""
    values, where = np.unique(np.concatenate([ours, theirs]), axis=0, return_inverse=True)
    where = where.reshape(-1)  # numpy 2.0 gives it another shape
    counts = np.stack([np.bincount(half, minlength=len(values)) for half in np.split(where, 2)])
    rare = counts.sum(0) < 40  # there χ² is no good approximation; put together
    counts = np.concatenate([counts[:, ~rare], counts[:, rare].sum(1, keepdims=True)], 1)
    counts = counts[:, counts.sum(0) > 0]
    return stats.chi2_contingency(counts).pvalue if counts.shape[1] > 1 else 1.0


# ------------------------------------------------------------------------------- geometry
@pytest.fixture(scope="module", params=GEOMETRIES)
def boxes(request):
    """The same number of crops from us and from torchvision, (count, 4) each."""
    height, width, scale, ratio = GEOMETRIES[request.param]
    torch.manual_seed(1)
    theirs = drawn_by_torchvision(height, width, scale, ratio)
    ours = RandomCrops(32, scale, ratio).boxes(DRAWN, height, width).numpy()
    return ours, theirs


def test_crops_have_the_means_and_deviations_of_torchvisions(boxes):
    for ours, theirs in zip(*(sample.T.astype(float) for sample in boxes), strict=True):
        if (ours == theirs).all():
            continue  # where no crop ever fits, one number is drawn always
        assert stats.ttest_ind(ours, theirs, equal_var=False).pvalue > ALARM
        # Welch's test on squared distances from the common mean compares deviations.
        middle = np.concatenate([ours, theirs]).mean()
        spread = [(sample - middle) ** 2 for sample in (ours, theirs)]
        assert stats.ttest_ind(*spread, equal_var=False).pvalue > ALARM


@pytest.mark.parametrize(
    "columns", [[2, 3], [0, 2], [1, 3], [0, 1]], ids=["height, width", "top, height", "left, width", "top, left"]
)
def test_crops_are_jointly_distributed_as_torchvisions(boxes, columns):
    ours, theirs = boxes
    assert same_distribution(ours[:, columns], theirs[:, columns]) > ALARM


def test_areas_and_aspect_ratios_are_distributed_as_torchvisions(boxes):
    for quantity in (lambda box: box[:, 2] * box[:, 3], lambda box: box[:, 3] / box[:, 2]):
        assert stats.ks_2samp(*map(quantity, boxes), method="asymp").pvalue > ALARM


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_crop_lies_inside_the_image(name):
    height, width, scale, ratio = GEOMETRIES[name]
    torch.manual_seed(2)
    top, left, tall, wide = RandomCrops(8, scale, ratio).boxes(5000, height, width).T
    assert min(top.min(), left.min()) >= 0 and min(tall.min(), wide.min()) > 0
    assert (top + tall).max() <= height and (left + wide).max() <= width


@pytest.mark.parametrize("name", [name for name in GEOMETRIES if name.endswith("nothing ever fits")])
def test_where_no_crop_fits_it_is_the_middle_as_torchvision_has_it(name):
    height, width, scale, ratio = GEOMETRIES[name]
    ours = RandomCrops(8, scale, ratio).boxes(100, height, width).numpy()
    assert (ours == drawn_by_torchvision(height, width, scale, ratio, count=100)).all()


# ------------------------------------------------------------------------------- pixels
@pytest.fixture(scope="module")
def pixels():
    """Noise, the hardest image to interpolate: (64, 3, 32, 40), uint8, and a box for each."""
    torch.manual_seed(3)
    boxes = RandomCrops(32, (0.08, 0.8)).boxes(64, 32, 40)
    return torch.randint(256, (64, 3, 32, 40), dtype=torch.uint8), boxes


def cut(images, boxes, size, *, mirrored=False):
    return resized_crops(images, boxes, torch.full((len(images),), mirrored), size)


def test_pixels_are_those_of_torchvision_on_tensors(pixels):
    images, boxes = pixels
    images = images.float() / 255
    expected = [
        TF.resized_crop(image, *box, [40, 40], antialias=True)
        for image, box in zip(images, boxes.tolist(), strict=True)
    ]
    assert (cut(images, boxes, 40) - torch.stack(expected)).abs().max() <= 1e-5


def test_pixels_are_those_of_torchvision_on_pil_images_but_for_its_rounding(pixels):
    """PIL rounds to whole grey levels after the columns and again after the rows: half a level each."""
    images, boxes = pixels
    expected = [
        TF.pil_to_tensor(TF.resized_crop(TF.to_pil_image(image), *box, [40, 40]))
        for image, box in zip(images, boxes.tolist(), strict=True)
    ]
    assert (cut(images, boxes, 40) - torch.stack(expected)).abs().max() <= 1.001


def test_a_smaller_size_has_the_pixels_of_torchvision_without_antialiasing(pixels):
    images, boxes = pixels
    images = images.float() / 255
    expected = [
        TF.resized_crop(image, *box, [5, 5], antialias=False)
        for image, box in zip(images, boxes.tolist(), strict=True)
    ]
    assert (cut(images, boxes, 5) - torch.stack(expected)).abs().max() <= 1e-5


def test_a_box_of_the_size_that_comes_out_is_not_interpolated(pixels):
    images, _ = pixels
    boxes = torch.tensor([[3, 5, 20, 20]]).expand(64, 4)
    torch.testing.assert_close(
        cut(images, boxes, 20), images[:, :, 3:23, 5:25].float(), rtol=0, atol=2e-3
    )


def test_a_constant_image_stays_constant_up_to_its_edges(pixels):
    boxes = pixels[1]
    white = torch.full((64, 3, 32, 40), 255, dtype=torch.uint8)
    torch.testing.assert_close(
        cut(white, boxes, 32), torch.full((64, 3, 32, 32), 255.0), rtol=0, atol=2e-3
    )


def test_an_image_of_one_pixel_is_enlarged():
    image = torch.tensor([7.0]).reshape(1, 1, 1, 1)
    assert (RandomCrops(4)(image) == 7).all()


def test_mirrored_crops_are_the_crops_read_from_the_right(pixels):
    images, boxes = pixels
    # Equal up to the rounding of the same places seen from the other side.
    torch.testing.assert_close(cut(images, boxes, 32, mirrored=True), cut(images, boxes, 32).flip(3))


# ------------------------------------------------------------------------------- the transform
@pytest.mark.parametrize("flip", [0.0, 0.2, 0.5, 1.0])
def test_the_asked_share_of_crops_is_mirrored(flip):
    torch.manual_seed(4)
    images = torch.zeros(10_000, 1, 2, 2)
    images[..., 0] = 255  # bright on the left
    whole = RandomCrops(2, scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=flip)(images)
    mirrored = int((whole[:, 0, 0, 1] > 128).sum())
    assert stats.binomtest(mirrored, len(images), flip).pvalue > ALARM


def test_mirroring_does_not_depend_on_the_crop():
    torch.manual_seed(5)
    ramp = torch.arange(32.0).expand(DRAWN, 1, 32, 32)  # a pixel's value is its column
    cropped = RandomCrops(2, (0.5, 0.6))(ramp)[:, 0, 0]
    mirrored = cropped[:, 0] > cropped[:, 1]
    centre = cropped.mean(1)
    assert stats.ks_2samp(centre[mirrored], centre[~mirrored], method="asymp").pvalue > ALARM


def test_the_assignments_transforms_are_torchvisions_on_the_same_crop(pixels):
    """RandomResizedCrop, flip, ToTensor and Normalize, on real PIL images, one by one."""
    images = pixels[0][..., :32]
    crops, normalise = RandomCrops(32, (0.8, 1.0)), Normalise(MEAN, STD)
    torch.manual_seed(6)
    boxes, mirrored = crops.boxes(64, 32, 32), torch.rand(64) < 0.5
    torch.manual_seed(6)
    ours = normalise(crops(images))
    finish = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    for found, image, box, flipped in zip(ours, images, boxes.tolist(), mirrored, strict=True):
        expected = TF.resized_crop(TF.to_pil_image(image), *box, [32, 32])
        expected = finish(expected.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flipped else expected)
        assert (found - expected).abs().max() <= 1.001 / 255 / min(STD)  # one grey level, as above


def test_normalisation_is_torchvisions():
    images = torch.arange(256, dtype=torch.uint8).repeat(3, 1).reshape(1, 3, 16, 16)
    finish = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    expected = finish(TF.to_pil_image(images[0]))
    torch.testing.assert_close(Normalise(MEAN, STD)(images)[0], expected, rtol=1e-6, atol=1e-6)


def test_one_seed_gives_the_same_crops_again_and_another_one_others(pixels):
    images, _ = pixels
    torch.manual_seed(7)
    first = RandomCrops(32)(images)
    torch.manual_seed(7)
    again = RandomCrops(32)(images)
    assert torch.equal(first, again)
    assert not torch.equal(first, RandomCrops(32)(images))


def test_the_same_seed_crops_alike_on_every_device(pixels, device):
    images, _ = pixels
    crops, normalise = RandomCrops(32), Normalise(MEAN, STD)
    torch.manual_seed(8)
    expected = normalise(crops(images))
    torch.manual_seed(8)
    found = normalise(crops(images.to(device)))
    assert found.device.type == device.type
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)


def test_no_number_is_read_back_from_the_device(pixels):
    """The meta device has no numbers; whatever asks for one, or mixes devices, raises."""
    images, _ = pixels
    torch.manual_seed(9)
    RandomCrops(32)(images)
    after = torch.get_rng_state()
    torch.manual_seed(9)
    found = Normalise(MEAN, STD)(RandomCrops(32)(images.to("meta")))
    assert found.shape == (64, 3, 32, 32) and found.device.type == "meta"
    assert torch.equal(torch.get_rng_state(), after)


@pytest.mark.parametrize("count", [0, 1])
def test_batches_of_no_image_and_of_one(count):
    assert RandomCrops(32)(torch.zeros(count, 3, 32, 32)).shape == (count, 3, 32, 32)


# ------------------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    "settings, words",
    [
        ({"size": 0}, "size: expected at least 1, found 0"),
        ({"scale": (0.0, 1.0)}, "scale: expected 0 < low <= high <= 1"),
        ({"scale": (0.5, 1.1)}, "scale: expected 0 < low <= high <= 1"),
        ({"scale": (0.9, 0.8)}, r"found \(0.9, 0.8\)"),
        ({"ratio": (0.0, 1.0)}, "ratio: expected 0 < low <= high"),
        ({"ratio": (1.0, float("inf"))}, "ratio: expected 0 < low <= high"),
        ({"ratio": (float("nan"), 1.0)}, "ratio: expected 0 < low <= high"),
        ({"flip": 1.5}, "flip: expected a probability, found 1.5"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        RandomCrops(**{"size": 32} | settings)


def test_a_single_image_is_refused_with_the_shape_that_is_expected():
    with pytest.raises(ValueError, match=r"expected \(N, C, H, W\), found \(3, 32, 32\)"):
        RandomCrops(32)(torch.zeros(3, 32, 32))
