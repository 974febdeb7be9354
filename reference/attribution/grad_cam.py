"""Grad-CAM: a class activation map for nets with any layers behind the feature map.

Reference: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization, ICCV 2017, eq. 1 and 2.
"""

import torch
from torch import Tensor, nn

from reference.attribution.cam import check_labels


def grad_cam(
    net: nn.Module, layer: nn.Module, inputs: Tensor, labels: Tensor, *, relu: bool = True
) -> Tensor:
    """How much each place of a layer's output speaks for a class, to first order.

        map[n, y, x] = Σ_c α[n, c] · features[n, c, y, x],
        α[n, c] = mean over the places of ∂ logits[n, labels[n]] / ∂ features[n, c, y, x]

    For a net that ends in global average pooling and one linear layer, α is that layer's weight
    divided by the number of places: the map is `class_activation_map`'s up to that factor, and
    up to the ReLU.

    Args:
        net: maps `inputs` to logits (N, K); in evaluation mode. Its parameters get no gradients.
        layer: a module of `net` that runs once per pass, with an output (N, C, h, w) that
            nothing behind it changes in place.
        inputs: (N, …), floating, whatever `net` takes.
        labels: (N,), int64, for each image the class to look for.
        relu: whether to cut off what speaks against the class, as the paper does.

    Returns:
        (N, h, w), detached, neither rescaled nor upsampled.

    Raises:
        TypeError: labels that are no integers.
        ValueError: `net` is in training mode, where images depend on each other; `layer` did not
            run exactly once, or its output is no feature map; labels that do not fit.
    """
    if net.training:
        raise ValueError("net: expected evaluation mode, found training mode; call net.eval()")
    seen: list[Tensor] = []
    hook = layer.register_forward_hook(lambda module, given, output: seen.append(output))
    try:
        with torch.enable_grad():
            # A net whose parameters are all frozen has a gradient too, that of its inputs.
            logits = net(inputs.detach().requires_grad_())  # (N, K)
    finally:
        hook.remove()
    if len(seen) != 1:
        raise ValueError(f"layer: expected a module that runs once per pass, this ran {len(seen)} times")
    (features,) = seen
    if not isinstance(features, Tensor) or features.dim() != 4:
        found = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise ValueError(f"layer: expected an output of shape (N, C, h, w), found {found}")
    check_labels(labels, len(inputs), logits.shape[1])
    with torch.enable_grad():
        chosen = logits.gather(1, labels.long()[:, None]).sum()
    # Images do not depend on each other, so the gradient of the sum holds the gradient of each.
    (gradient,) = torch.autograd.grad(chosen, features)  # (N, C, h, w)
    maps = torch.einsum("nchw,nc->nhw", features.detach(), gradient.mean((2, 3)))
    return maps.relu() if relu else maps
