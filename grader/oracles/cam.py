"""Class activation maps in float64: the map itself, and every usual way to enlarge it.

Whoever writes `cam` chooses how the few places of a feature map become the pixels of an image. All
usual ways are linear and treat rows and columns alike: `large = A · small · Aᵀ` with a matrix A per
way. So an answer is right if one of the matrices gives it, up to a factor above 0 and a constant.

Reference: Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, eq. 2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

# Of the map's span: two grey levels, since some resize images of 8 bits. Rounding in float32 stays a
# hundred times below it, another class's map differs by a tenth (tests/grader/test_oracles_cam.py).
TOLERANCE = 2 / 255
FLAT = 1e-3  # span of a map that shows nothing, where maps in [0, 1] or of logits near 1 are expected
NEAR = 0.85  # correlation from which a map is told to be right but for its enlargement
CONSTANT = "the map is constant: it has to be taken from the feature map before the pooling"

Enlarge = Callable[[Tensor, int], Tensor]


def class_map(features: Tensor, weight: Tensor) -> Tensor:
    """Σ_c weight[c] · features[c]: (C, h, w) and (C,) → (h, w)."""
    return torch.einsum("chw,c->hw", features, weight)


def unit(small: Tensor) -> Tensor:
    """Rescaled to [0, 1]; a constant becomes 0."""
    span = small.max() - small.min()
    return (small - small.min()) / (span if span > 0 else 1)


def _torch(mode: str, corners: bool | None = None) -> Enlarge:
    def enlarge(small: Tensor, size: int) -> Tensor:
        return F.interpolate(small[None, None], (size, size), mode=mode, align_corners=corners)[0, 0]

    return enlarge


def _pillow(method: Image.Resampling) -> Enlarge:
    def enlarge(small: Tensor, size: int) -> Tensor:
        image = Image.fromarray(small.numpy().astype(np.float32))
        return torch.from_numpy(np.array(image.resize((size, size), method))).double()

    return enlarge


def _scipy(order: int, mode: str, tiles: bool) -> Enlarge:
    def enlarge(small: Tensor, size: int) -> Tensor:
        from scipy import ndimage  # takes half a second, and few deliverables need it

        factor = size / len(small)
        zoomed = ndimage.zoom(small.numpy(), factor, order=order, mode=mode, grid_mode=tiles)
        return torch.from_numpy(zoomed)

    return enlarge


# OpenCV's INTER_LINEAR and INTER_CUBIC are torch's, its INTER_AREA and `numpy.kron` are "nearest";
# scikit-image's `resize` is SciPy's zoom of tiles.
UPSAMPLING: dict[str, Enlarge] = {
    "nearest": _torch("nearest"),
    "bilinear": _torch("bilinear", False),
    "bilinear, aligned corners": _torch("bilinear", True),
    "bicubic": _torch("bicubic", False),
    "bicubic, aligned corners": _torch("bicubic", True),
    "Pillow bicubic": _pillow(Image.Resampling.BICUBIC),
    "Pillow Lanczos": _pillow(Image.Resampling.LANCZOS),
    "Pillow Hamming": _pillow(Image.Resampling.HAMMING),
    **{
        f"SciPy zoom, order {order}, {mode}": _scipy(order, mode, tiles=False)
        for order in range(6)
        for mode in (("constant", "nearest") if order > 1 else ("constant",))
    },
    **{
        f"SciPy zoom of tiles, order {order}, {mode}": _scipy(order, mode, tiles=True)
        for order in range(1, 6)
        for mode in ("nearest", "mirror", "reflect")
    },
}


@cache
def _matrices(places: int, size: int) -> Tensor:
    """One matrix (size, places) per way, (M, size, places): what a row of places becomes."""
    # A map whose rows are alike becomes an image whose rows are alike.
    rows = [row.expand(places, places).contiguous() for row in torch.eye(places, dtype=torch.float64)]
    ways = [torch.stack([way(row, size)[0] for row in rows], 1) for way in UPSAMPLING.values()]
    return torch.stack(ways)


def enlarged(small: Tensor, size: int) -> Tensor:
    """A map in every way: (h, h) → (M, size, size)."""
    matrices = _matrices(len(small), size)
    return matrices @ small.double() @ matrices.mT


def apart(one: Tensor, other: Tensor, size: int) -> float:
    """Mean difference of two maps (h, h) in [0, 1] after they are enlarged, in the way where it is least."""
    shown = []
    for small in (one, other):
        forms = enlarged(small, size)
        low, high = forms.amin((1, 2), keepdim=True), forms.amax((1, 2), keepdim=True)
        shown.append((forms - low) / (high - low).clamp(min=1e-12))
    return (shown[0] - shown[1]).abs().mean((1, 2)).min().item()


def constant(answer: Tensor) -> bool:
    """Whether a map shows nothing."""
    return bool(answer.max() - answer.min() <= FLAT)


def agrees(answer: Tensor, small: Tensor) -> bool:
    """Whether an answer (S, S) is a map (h, h), enlarged in any way and rescaled in any way.

    Where curves leave the range of the values that they connect, they may be cut off or not.
    """
    forms = enlarged(unit(small), len(answer))
    forms = torch.cat([forms, forms.clamp(0, 1)])  # (2M, S, S)
    centred = forms - forms.mean((1, 2), keepdim=True)
    given = answer.double() - answer.double().mean()
    gain = (centred * given).sum((1, 2)) / (centred**2).sum((1, 2)).clamp(min=1e-12)  # least squares
    error = (given - gain[:, None, None] * centred).abs().amax((1, 2))
    return bool(((gain > 0) & (error <= TOLERANCE * gain)).any())


def rounding(features: Tensor, weight: Tensor) -> float:
    """What rounding in float32 may do to a map at worst, as a share of its span.

    A sum of n products is off by n·u·Σ|aᵢbᵢ| at most, u = 2⁻²⁴ (Higham, eq. 3.5); the features
    themselves, by about as much again.
    """
    small = class_map(features, weight)
    magnitude = class_map(features.abs(), weight.abs()).max()
    return float(2 * len(weight) * 2**-24 * magnitude / (small.max() - small.min()))


def head(features: Tensor, predicted: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """A linear layer's weight under which each image is of a given class, by a margin.

    Args:
        features: (N, C, h, w), float64, of images whose means are independent, N ≤ C.
        predicted: (N,), the classes; the bias is to be 0.
        classes: K.
        generator: of everything else about it.

    Returns:
        (K, C), float64 and exact in float32. The logits are near ±0.5, and the predicted ones lie
        1 above the others; the maps scatter by about 1 from place to place.
    """
    means = features.mean((2, 3))  # (N, C)
    weight = torch.randn(classes, features.shape[1], generator=generator, dtype=torch.float64)
    local = features - means[:, :, None, None]
    scatter = torch.einsum("nchw,kc->nkhw", local, weight).std((0, 2, 3))  # (K,)
    weight = weight / scatter.clamp(min=1e-12)[:, None]
    logits = torch.rand(len(means), classes, generator=generator, dtype=torch.float64) - 0.5
    logits[torch.arange(len(means)), predicted] = 1.5
    correction = torch.linalg.pinv(means) @ (logits - means @ weight.T)  # the least that does it
    return (weight + correction.T).float().double()


@dataclass(frozen=True)
class Scene:
    """Images, and all that a network makes of them; N images, K classes.

    Args:
        features: (N, C, h, h), float64, what the pooling averages.
        weight: (K, C), float64, of the linear layer.
        predicted: (N,), the class of each image.
    """

    features: Tensor
    weight: Tensor
    predicted: Tensor

    def map(self, image: int, label: int | None = None) -> Tensor:
        """The map (h, h) of an image for a class; for the predicted one without."""
        label = int(self.predicted[image]) if label is None else label
        return class_map(self.features[image], self.weight[label])

    def fault(self, answer: Tensor, image: int) -> str:
        """Why an answer (S, S) is not the map of an image for its predicted class; "" if it is."""
        truth = self.map(image)
        if agrees(answer, truth):
            return ""
        if constant(answer):
            return CONSTANT
        likely = enlarged(truth, len(answer))[list(UPSAMPLING).index("bilinear")]
        alike = torch.corrcoef(torch.stack([answer.double().flatten(), likely.flatten()]))[0, 1].item()
        if alike >= NEAR:
            return (
                f"the map is like the one expected (correlation {alike:.2f}), but enlarged in no way "
                "that is known here: use one of torch.nn.functional.interpolate, scipy.ndimage.zoom "
                "and Pillow's resize on the map, and rescale by minimum and maximum"
            )
        return (
            f"this is not the map of class {int(self.predicted[image])}, which the network predicts: "
            f"its correlation with that is {alike:.2f}; expected Σ_c weight[class, c] · features[c]"
        )
