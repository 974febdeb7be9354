"""Class activation maps of a net that ends in global average pooling and one linear layer.

Reference: Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, eq. 2.
"""

import torch
from torch import Tensor


def class_activation_map(features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """How much each place of the last feature map speaks for a class.

        map[n, y, x] = Σ_c weight[labels[n], c] · features[n, c, y, x]

    The pooling and the linear layer only sum, so a logit is taken apart into its places without
    remainder: the mean of the map plus the class's bias is the logit.

    Args:
        features: (N, C, h, w), what the pooling averages.
        weight: (K, C), of the linear layer behind the pooling.
        labels: (N,), int64, for each image the class to look for; in [0, K).

    Returns:
        (N, h, w), in units of a logit, neither rescaled nor upsampled, differentiable.

    Raises:
        TypeError: labels that are no integers.
        ValueError: shapes that do not belong together, or a label that is no class.
    """
    if features.dim() != 4 or weight.dim() != 2 or features.shape[1] != weight.shape[1]:
        raise ValueError(
            "expected features (N, C, h, w) and weight (K, C), found features "
            f"{tuple(features.shape)} and weight {tuple(weight.shape)}"
        )
    check_labels(labels, len(features), len(weight))
    return torch.einsum("nchw,nc->nhw", features, weight[labels])  # (N, h, w)


def check_labels(labels: Tensor, count: int, classes: int) -> None:
    """Raise unless `labels` are `count` integers in [0, classes)."""
    if labels.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"labels: expected int64, found {labels.dtype}")
    if labels.shape != (count,):
        raise ValueError(f"labels: expected shape {(count,)}, found {tuple(labels.shape)}")
    if count and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(
            f"labels: expected classes from 0 to {classes - 1}, found {int(labels.min())} to "
            f"{int(labels.max())}"
        )


def min_max(maps: Tensor) -> Tensor:
    """Rescale each map of its own to [0, 1], to be shown.

    To be done after upsampling: bicubic curves leave the range of the values that they connect.

    Args:
        maps: (N, H, W), any floating dtype.

    Returns:
        the same shape, with 0 and 1 in every map; a map that is constant shows nothing and
        becomes 0.
    """
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)  # (N, 1, 1)
    span = high - low
    return (maps - low) / torch.where(span > 0, span, 1)
