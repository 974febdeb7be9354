"""Ten kinds of object, each as a signed distance from its outline.

Every function takes x and y in units of the object's radius (any shape, y
downwards) and returns the distance in the same units, negative inside.
"""

from __future__ import annotations

import numpy as np


def disc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A full disc."""
    return np.hypot(x, y) - 0.9


def ring(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A disc with a round hole."""
    return abs(np.hypot(x, y) - 0.7) - 0.22


def crescent(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A disc out of which another disc has taken its bite."""
    return np.maximum(np.hypot(x, y) - 0.95, 0.75 - np.hypot(x - 0.5, y))


def square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A full square."""
    return box(x, y, 0.78, 0.78)


def frame(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A square with a square hole."""
    return abs(box(x, y, 0.65, 0.65)) - 0.2


def triangle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A full equilateral triangle."""
    return np.maximum(abs(x) * 0.866 + y * 0.5, -y) - 0.5


def cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Two bars at a right angle, crossing in the middle."""
    return np.minimum(box(x, y, 0.95, 0.26), box(x, y, 0.26, 0.95))


def star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Five points."""
    sector = 2 * np.pi / 5
    angle = abs((np.arctan2(x, -y) + sector / 2) % sector - sector / 2)  # folded onto half a point
    along, across = np.hypot(x, y) * np.cos(angle), np.hypot(x, y) * np.sin(angle)
    # The edge runs from the tip, (1, 0), to the notch at radius 0.42.
    notch = 0.42 * np.array([np.cos(sector / 2), np.sin(sector / 2)])
    edge = notch - [1, 0]
    normal = np.array([edge[1], -edge[0]], dtype=np.float32) / np.float32(np.hypot(*edge))
    return (along - 1) * normal[0] + across * normal[1]


def arrow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A shaft with a pointed head."""
    head = np.maximum(0.77 * abs(x) - 0.64 * (y + 0.95), y + 0.05)
    return np.minimum(head, box(x, y - 0.4, 0.2, 0.55))


def heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Two lobes and a point."""
    lobes = np.hypot(abs(x) - 0.42, y + 0.35) - 0.48
    body = np.maximum((abs(x) + y) * 0.707 - 0.57, -y - 0.35)
    return np.minimum(lobes, np.maximum(body, abs(x) - 0.9))


def box(x: np.ndarray, y: np.ndarray, half_width: float, half_height: float) -> np.ndarray:
    """A rectangle around the origin."""
    return np.maximum(abs(x) - half_width, abs(y) - half_height)


OUTLINES = {
    outline.__name__: outline
    for outline in (disc, ring, crescent, square, frame, triangle, cross, star, arrow, heart)
}
