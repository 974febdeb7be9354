"""From the few places of a feature map to the pixels of the image: one line per method."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def _interpolate(maps: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    # A place of the map stands for a tile of the image, so its value belongs to the tile's centre.
    corners = None if mode == "nearest" else False
    return F.interpolate(maps[:, None], size, mode=mode, align_corners=corners)[:, 0]


def _zoom(maps: Tensor, size: tuple[int, int], order: int) -> Tensor:
    from scipy import ndimage  # takes half a second; the other methods do without

    factors = (1, size[0] / maps.shape[1], size[1] / maps.shape[2])
    zoomed = ndimage.zoom(maps.detach().cpu().numpy(), factors, order=order)
    return torch.from_numpy(zoomed).to(maps)


# "zoom" is scipy.ndimage.zoom as it is by default: the map's outermost values lie on the image's
# outermost pixels, and not on the centres of tiles.
UPSAMPLING: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    "nearest": lambda maps, size: _interpolate(maps, size, "nearest"),
    "bilinear": lambda maps, size: _interpolate(maps, size, "bilinear"),
    "bicubic": lambda maps, size: _interpolate(maps, size, "bicubic"),
    "zoom-linear": lambda maps, size: _zoom(maps, size, 1),
    "zoom-cubic": lambda maps, size: _zoom(maps, size, 3),
}


def upsample(maps: Tensor, size: tuple[int, int], *, method: str = "bilinear") -> Tensor:
    """Enlarge maps to an image's size.

    Args:
        maps: (N, h, w).
        size: H and W of the image, pixels.
        method: a key of `UPSAMPLING`; "nearest" shows the places as tiles, the linear ones are
            continuous, the cubic ones smooth, and may leave the range of the values.

    Returns:
        (N, H, W) in the dtype of `maps`; differentiable but for the zooms.

    Raises:
        ValueError: another number of dimensions, or an unknown method.
    """
    if maps.dim() != 3:
        raise ValueError(f"maps: expected (N, h, w), found {tuple(maps.shape)}")
    if method not in UPSAMPLING:
        raise ValueError(f"method: expected one of {', '.join(UPSAMPLING)}, found {method!r}")
    return UPSAMPLING[method](maps, size)
