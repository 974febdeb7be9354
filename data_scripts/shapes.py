"""Synthetic scenes: 32x32 RGB images of ten kinds of object, in place of CIFAR-10.

Each image has one object of its class: anywhere, at any size and turn, in
any two colours, plain, striped, checkered or mottled, under light from any
side, with a shadow now and then. Behind it lies a background of two other
colours, shaded or mottled, and clutter: smaller discs, bars and boxes, one of
which may cover a part of the object. Colour, place and brightness say nothing
of the class: a linear classifier scores 10.8 %, a small CNN after four epochs
85.2 % (one run each; docs/data.md has the command).

Objects are given by signed distances, in units of their radius, negative
inside; edges are anti-aliased by the distance in pixels.

Reference for the distances: Quilez, "2D distance functions" (the formulas of
disc, box, polygon and star; those of the others follow from them).
"""

from __future__ import annotations

import numpy as np

from data_scripts.batches import in_batches
from data_scripts.dataset import Arrays
from data_scripts.elastic import per_image
from data_scripts.outlines import OUTLINES

SIDE = 32  # pixels
CLASSES = tuple(OUTLINES)

# Ranges that random numbers are drawn from, uniformly.
RADIUS = (7.5, 12.5)  # pixels, of the object
STRETCH = (0.8, 1.25)  # height over width
CLUTTER = 4  # things behind the object
CLUTTER_RADIUS = (1.5, 5.0)  # pixels
COVER_CHANCE = 0.35  # of one thing in front of the object
COVER_RADIUS = (1.5, 3.5)  # pixels
CONTRAST = 0.35  # least distance between the colours of object and background, RGB in [0, 1]
SHADE = 0.5  # most that light from one side takes from the other
NOISE = (0.0, 0.05)  # standard deviation of the pixels' noise


def generate(seed: int, train_count: int, test_count: int) -> Arrays:
    """Make the set.

    Args:
        seed: equal seeds and counts, equal images.
        train_count, test_count: numbers of images.

    Returns:
        uint8 images (N, 32, 32, 3) and labels (N,) of both parts.
    """
    return in_batches("paint shapes", painted, seed, train_count, test_count)


def painted(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A batch of scenes: uint8 (N, 32, 32, 3), labels uint8 (N,)."""
    labels = rng.integers(0, len(CLASSES), count)  # (N,)
    near, far = contrasting_colours(rng, count)
    scene = textured(rng, far)
    for _ in range(CLUTTER):
        scene = with_clutter(rng, scene, CLUTTER_RADIUS, chance=0.7)
    distance = object_distance(rng, labels)  # (N, 32, 32), pixels
    shadow = per_image(rng, count, 0.0, 0.6) * (rng.random((count, 1, 1)) < 0.5)
    scene *= 1 - (shadow * coverage(np.roll(distance, (2, 1), (1, 2)) - 1))[:, None]
    scene = laid_over(scene, textured(rng, near), coverage(distance))
    scene = with_clutter(rng, scene, COVER_RADIUS, chance=COVER_CHANCE)
    scene *= light(rng, count)[:, None]
    scene += per_image(rng, count, *NOISE)[:, None] * rng.standard_normal(scene.shape, dtype=np.float32)
    pixels = np.rint(scene.clip(0, 1) * 255).astype(np.uint8)
    return pixels.transpose(0, 2, 3, 1), labels.astype(np.uint8)


def object_distance(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Signed distance in pixels to each image's object; (N, 32, 32)."""
    count = len(labels)
    radius = per_image(rng, count, *RADIUS)  # (N, 1, 1)
    x, y = turned(rng, count, *placed(rng, count, (SIDE / 2 - radius) * 0.75))
    stretch = np.exp(per_image(rng, count, *np.log(STRETCH)))
    x, y = x / radius * stretch, y / radius / stretch
    distance = np.empty_like(x)
    for label, outline in enumerate(OUTLINES.values()):
        which = labels == label
        distance[which] = outline(x[which], y[which])
    return distance * radius


def with_clutter(rng: np.random.Generator, scene: np.ndarray, radius: tuple[float, float], chance: float) -> np.ndarray:
    """The scene with one more thing (disc, box or bar) laid over a part of the images."""
    count = len(scene)
    size = per_image(rng, count, *radius)
    x, y = turned(rng, count, *placed(rng, count, SIDE / 2))
    slim = np.exp(per_image(rng, count, -1.2, 0.0))
    box = np.maximum(abs(x) - size / slim, abs(y) - size * slim)
    distance = np.where(rng.random((count, 1, 1)) < 0.4, np.hypot(x, y) - size, box)
    there = coverage(distance) * (rng.random((count, 1, 1)) < chance)
    return laid_over(scene, colours(rng, count)[:, :, None, None], there)


def textured(rng: np.random.Generator, base: np.ndarray) -> np.ndarray:
    """Surfaces of two colours each, (N, 3, 32, 32): plain, striped, checkered or mottled.

    Args:
        base: the first colours, (N, 3); the second are shades of them.
    """
    count = len(base)
    other = (base + rng.uniform(-0.3, 0.3, (count, 3))).clip(0, 1).astype(np.float32)
    x, y = turned(rng, count, *placed(rng, count, SIDE / 2))
    frequency = per_image(rng, count, 0.6, 1.6)  # radians per pixel
    stripes = np.sin(x * frequency)
    checkers = stripes * np.sin(y * frequency)
    mottles = smooth_noise(rng, count)
    kind = rng.integers(0, 4, (count, 1, 1))
    pattern = np.select([kind == 1, kind == 2, kind == 3], [stripes, checkers, mottles], np.float32(0))
    mix = np.clip(0.5 + 2 * pattern, 0, 1)  # (N, 32, 32)
    return laid_over(other[:, :, None, None], base[:, :, None, None], mix)


def light(rng: np.random.Generator, count: int) -> np.ndarray:
    """Brightness that falls off to one side, (N, 32, 32)."""
    x, _ = turned(rng, count, *placed(rng, count, 0.0))
    return 1 - per_image(rng, count, 0.0, SHADE) * np.clip(0.5 + x / SIDE, 0, 1)


def smooth_noise(rng: np.random.Generator, count: int, cells: int = 6) -> np.ndarray:
    """Random values on a coarse grid, interpolated to the image; (N, 32, 32)."""
    at = np.linspace(0, cells - 1, SIDE, dtype=np.float32)
    tent = np.maximum(0, 1 - abs(at[:, None] - np.arange(cells, dtype=np.float32)))  # (32, cells)
    return tent @ rng.standard_normal((count, cells, cells), dtype=np.float32) @ tent.T


def contrasting_colours(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two colours per image, (N, 3) each, at least CONTRAST apart."""
    first, second = colours(rng, count), colours(rng, count)
    while (close := np.linalg.norm(first - second, axis=1) < CONTRAST).any():
        second[close] = colours(rng, int(close.sum()))
    return first, second


def colours(rng: np.random.Generator, count: int) -> np.ndarray:
    """RGB in [0, 1], (N, 3)."""
    return rng.random((count, 3), dtype=np.float32)


def placed(rng: np.random.Generator, count: int, reach: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates x and y from a point up to `reach` pixels off the middle; (N, 32, 32) each."""
    pixels = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    x = pixels[None, None, :] - reach * per_image(rng, count, -1, 1)
    y = pixels[None, :, None] - reach * per_image(rng, count, -1, 1)
    return x, y


def turned(rng: np.random.Generator, count: int, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates turned by a random angle."""
    angle = per_image(rng, count, 0, 2 * np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    return cosine * x + sine * y, cosine * y - sine * x


def coverage(distance: np.ndarray) -> np.ndarray:
    """How much of a pixel lies inside, from its distance in pixels; [0, 1]."""
    return np.clip(0.5 - distance, 0, 1)


def laid_over(scene: np.ndarray, surface: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """`surface` over `scene`, (N, 3, 32, 32) both, where `cover` (N, 32, 32) is 1."""
    return scene + (surface - scene) * cover[:, None]
