"""Smooth random distortions of a batch of images, evaluated on any grid."""

from __future__ import annotations

import numpy as np

WAVES = 3  # frequencies per axis: half a wave, one, one and a half per glyph height
# Standard deviations of the affine part; angles in radians, ratios as logarithms.
ROTATION = 0.16
SHEAR = 0.22
SLANT = 0.1  # mean shear: people write leaning to the right
STRETCH = 0.22  # of width over height
# In units of the glyph's height.
WAIST = 0.12  # how far the middle moves up or down
ELASTIC = 0.075  # of the slowest wave


class Waves:
    """A sum of random plane waves per image; the slower, the stronger.

    Args:
        rng: draws amplitudes and phases.
        count: number of images, N.
        deviation: standard deviation of the slowest wave's amplitude.
    """

    def __init__(self, rng: np.random.Generator, count: int, deviation: float):
        order = np.arange(WAVES)
        damping = deviation / (1 + order[:, None] + order)  # (WAVES, WAVES)
        self.amplitudes = (rng.standard_normal((count, WAVES, WAVES)) * damping).astype(np.float32)
        self.phases = rng.uniform(0, 2 * np.pi, (2, count, 1, WAVES)).astype(np.float32)
        self.frequencies = (np.pi * (1 + order)).astype(np.float32)

    def __call__(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Values (N, R, C) on the grid of `rows` (N, R) and `columns` (N, C)."""
        down = np.sin(rows[:, :, None] * self.frequencies + self.phases[0])  # (N, R, WAVES)
        across = np.sin(columns[:, :, None] * self.frequencies + self.phases[1])  # (N, C, WAVES)
        return down @ self.amplitudes @ across.transpose(0, 2, 1)


class Bend:
    """Rotation, slant, stretch, a waist that moves, and waves.

    Maps a point of the image to the point of the glyph that is seen there.

    Args:
        rng: draws all of it.
        count: number of images, N.
    """

    def __init__(self, rng: np.random.Generator, count: int):
        angle = rng.normal(0, ROTATION, (count, 1, 1))
        stretch = np.exp(rng.normal(0.5 * STRETCH, STRETCH, (count, 1, 1)))
        self.cosine, self.sine = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        self.shear = rng.normal(SLANT, SHEAR, (count, 1, 1)).astype(np.float32)
        self.stretch = stretch.astype(np.float32)
        self.waist = rng.normal(0, WAIST, (count, 1, 1)).astype(np.float32)
        self.down, self.across = Waves(rng, count, ELASTIC), Waves(rng, count, ELASTIC)

    def __call__(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The glyph's y and x, (N, R, C) each, seen from `rows` (N, R) and `columns` (N, C)."""
        y, x = rows[:, :, None], columns[:, None, :]
        seen_y = self.cosine * y - self.sine * x + self.down(rows, columns)
        seen_x = (self.cosine * x + self.sine * y) / self.stretch + self.shear * y + self.across(rows, columns)
        return seen_y + self.waist * np.maximum(0, 1 - 4 * seen_y**2), seen_x


def per_image(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """One uniform number per image, float32 (N, 1, 1)."""
    return (low + (high - low) * rng.random((count, 1, 1))).astype(np.float32)
