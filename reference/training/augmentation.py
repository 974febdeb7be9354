"""Random crops and flips of a whole batch at once, on the device where it lies.

torchvision draws, crops and resizes images one by one, in worker processes. A crop that is resized
is an interpolation at a grid of places, so a batch of crops is one call of `grid_sample`.

Reference: Szegedy et al., Going Deeper with Convolutions, CVPR 2015, section 6 (the crops);
torchvision.transforms.RandomResizedCrop, whose distribution this is.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# A crop that does not fit into the image is drawn again, so often at most; then it is the
# largest one of an allowed aspect ratio in the image's middle.
DRAWS = 10


@dataclass(frozen=True)
class RandomCrops:
    """Crops of random area and aspect ratio, resized, half of them mirrored.

    Args:
        size: height and width of what comes out, in pixels.
        scale: least and greatest area of a crop, as a share of the image's.
        ratio: least and greatest width / height of a crop.
        flip: probability that a crop is mirrored left to right.

    Raises:
        ValueError: a setting is out of its range.
    """

    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5

    def __post_init__(self):
        if self.size < 1:
            raise ValueError(f"size: expected at least 1, found {self.size}")
        for name, (low, high), most in (("scale", self.scale, 1.0), ("ratio", self.ratio, 1e6)):
            if not 0 < low <= high <= most:
                raise ValueError(
                    f"{name}: expected 0 < low <= high <= {most:g}, found {(low, high)}"
                )
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip: expected a probability, found {self.flip}")

    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) of any dtype → (N, C, size, size), float32, in the same units.

        Draws from torch's CPU generator: the boxes, then which ones to mirror.

        Raises:
            ValueError: not a batch of images.
        """
        if images.ndim != 4:
            raise ValueError(f"images: expected (N, C, H, W), found {tuple(images.shape)}")
        boxes = self.boxes(len(images), *images.shape[2:]).to(images.device)
        mirrored = (torch.rand(len(images)) < self.flip).to(images.device)
        return resized_crops(images, boxes, mirrored, self.size)

    def boxes(self, count: int, height: int, width: int) -> Tensor:
        """Where to crop: (count, 4), int64, as top, left, height, width.

        Drawn on the CPU, so that a seed means the same crops on every device.
        """
        low, high = self.scale
        area = height * width * torch.empty(DRAWS, count).uniform_(low, high)
        aspect = torch.empty(DRAWS, count).uniform_(*map(math.log, self.ratio)).exp()
        sizes = torch.stack([(area / aspect).sqrt().round(), (area * aspect).sqrt().round()])
        limits = torch.tensor([height, width])
        fits = ((sizes > 0) & (sizes <= limits[:, None, None])).all(0)  # (DRAWS, count)
        first = fits.int().argmax(0)  # of each image's draws, the first that fits
        chosen = sizes[:, first, torch.arange(count)].long().T  # (count, 2)
        room = limits - chosen + 1  # places where a crop can begin
        corner = (torch.rand(count, 2) * room).long().clamp(max=room - 1)
        boxes = torch.cat([corner, chosen], 1)
        boxes[~fits.any(0)] = self._middle(height, width)
        return boxes

    def _middle(self, height: int, width: int) -> Tensor:
        """The largest crop of an allowed aspect ratio, in the middle."""
        low, high = self.ratio
        if width < low * height:
            size = round(width / low), width
        elif width > high * height:
            size = height, round(height * high)
        else:
            size = height, width
        return torch.tensor([(height - size[0]) // 2, (width - size[1]) // 2, *size])


def resized_crops(images: Tensor, boxes: Tensor, mirrored: Tensor, size: int) -> Tensor:
    """Cut one box out of each image, and resize it bilinearly.

    The pixels are those of torchvision's `resized_crop` without antialiasing, which differs from
    the one with it where a box is larger than what comes out, and there alone.

    Args:
        images: (N, C, H, W), any dtype.
        boxes: (N, 4), top, left, height and width, all inside the image.
        mirrored: (N,), bool, which ones to mirror left to right after the crop.
        size: height and width of what comes out.

    Returns:
        (N, C, size, size), float32, in the units of the images.
    """
    height, width = images.shape[2:]
    rows = _places(boxes[:, 0], boxes[:, 2], size, height)  # (N, size)
    columns = _places(boxes[:, 1], boxes[:, 3], size, width)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    grid = torch.stack(
        [columns[:, None, :].expand(-1, size, -1), rows[:, :, None].expand(-1, -1, size)], -1
    )  # (N, size, size, 2), x before y
    return F.grid_sample(images.float(), grid, mode="bilinear", align_corners=True)


def _places(begin: Tensor, length: Tensor, size: int, pixels: int) -> Tensor:
    """Where along one axis the `size` new pixels lie, from -1 (first pixel) to 1 (last).

    Both images' pixels are squares that fill the box evenly; beyond the middle of the box's
    outermost pixels, those go on.
    """
    centres = (torch.arange(size, device=begin.device) + 0.5) * (length[:, None] / size) - 0.5
    inside = centres.clamp(min=0).minimum(length[:, None] - 1) + begin[:, None]  # (N, size)
    return inside * (2 / max(pixels - 1, 1)) - 1


@dataclass(frozen=True)
class Normalise:
    """Pixel values 0 to 255 → zero mean and unit variance per channel.

    Args:
        mean: per channel, of values from 0 to 1.
        std: likewise.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """(N, C, H, W), any dtype → the same shape, float32."""
        mean = 255 * torch.tensor(self.mean, device=images.device).reshape(-1, 1, 1)
        std = 255 * torch.tensor(self.std, device=images.device).reshape(-1, 1, 1)
        return (images.float() - mean) / std
