"""Where in an image a class was seen: class activation maps, for any net of this course."""

from reference.attribution.cam import class_activation_map, min_max
from reference.attribution.grad_cam import grad_cam
from reference.attribution.upsampling import UPSAMPLING, upsample

__all__ = ["UPSAMPLING", "class_activation_map", "grad_cam", "min_max", "upsample"]
