"""Synthetic digits: 28x28 grey images in place of MNIST.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from data_scripts.dataset import Arrays
from data_scripts.progress import progress_bar

SIDE = 28  # pixels
BOX = 20.0  # pixels; MNIST scales the longer side of a digit's bounding box to this
BATCH = 1000  # images; a batch has its own random stream, so the result does not depend on threads
WAVES = 3  # frequencies per axis of the elastic distortion

# Chances and spreads. Widths are in units of the glyph's height.
PEN_CHANCE = 0.7  # glyphs drawn with a pen of constant width instead of their own outline
LOOKALIKE_CHANCE = 0.3  # a sign that is written like the digit, where there is one
ROTATION = 0.16  # radians, standard deviation
SHEAR = 0.22
ASPECT = 0.22  # of log(width / height)
WAIST = 0.08
ELASTIC = 0.055  # of the first wave, standard deviation
PEN_WIDTH = (0.035, 0.10)  # radius
OUTLINE_SHIFT = (-0.02, 0.045)  # how much bolder than the face
PRESSURE = 0.25  # relative change of the pen's width along the stroke
EDGE_NOISE = 0.12  # pixels, standard deviation
SOFTNESS = (1.2, 2.0)  # pixels from paper to full ink
FAINTEST = 0.8  # ink of the faintest pen


def generate(seed: int, train_count: int, test_count: int) -> Arrays:
    from data_scripts.glyphs import bank

    bank()
    train, test = np.random.SeedSequence(seed).spawn(2)
    with progress_bar("draw digits", total=train_count + test_count) as advance:
        return Arrays(*drawn(train, train_count, advance), *drawn(test, test_count, advance))


def drawn(seeds, count, advance):
    sizes = [min(BATCH, count - start) for start in range(0, count, BATCH)]
    def one(job):
        size, s = job
        batch = draw_batch(np.random.default_rng(s), size)
        advance(size)
        return batch
    with ThreadPoolExecutor(2) as pool:
        batches = list(pool.map(one, zip(sizes, seeds.spawn(len(sizes)), strict=True)))
    images, labels = zip(*batches)
    return np.concatenate(images), np.concatenate(labels)


def draw_batch(rng, n):
    from data_scripts.glyphs import HEIGHT, bank
    b = bank()
    labels = rng.integers(0, 10, n)
    glyphs = choose(rng, labels)
    pen = b.pen[glyphs]
    width = np.where(pen, rng.uniform(*PEN_WIDTH, n), rng.uniform(*OUTLINE_SHIFT, n)).astype(np.float32)
    warp = Warp(rng, n)
    pressure = waves(rng, n, PRESSURE)
    soft = rng.uniform(*SOFTNESS, n).astype(np.float32)
    # first look
    grid = np.linspace(-0.95, 0.95, SIDE, dtype=np.float32)
    ys = xs = np.broadcast_to(grid, (n, SIDE))
    d = warp.sample(glyphs, ys, xs)
    w = thickness(width, pen, pressure, ys, xs)
    ink = d < w
    rows, cols = ink.any(2), ink.any(1)
    step = grid[1] - grid[0]
    top, bottom = grid[rows.argmax(1)], grid[SIDE - 1 - rows[:, ::-1].argmax(1)]
    left, right = grid[cols.argmax(1)], grid[SIDE - 1 - cols[:, ::-1].argmax(1)]
    longer = np.maximum(bottom - top, right - left) + step
    scale = (longer / BOX).astype(np.float32)  # heights per pixel
    mass = ink.sum((1, 2)).clip(1)
    cy = (ink.sum(2) @ grid) / mass
    cx = (ink.sum(1) @ grid) / mass
    pix = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    ys = cy[:, None] + scale[:, None] * pix
    xs = cx[:, None] + scale[:, None] * pix
    d = warp.sample(glyphs, ys, xs)
    w = thickness(width, pen, pressure, ys, xs)
    px = (w - d) / scale[:, None, None]
    px += EDGE_NOISE * rng.standard_normal(px.shape, dtype=np.float32)
    ink = np.clip(0.5 + px / soft[:, None, None], 0, 1)
    ink *= rng.uniform(FAINTEST, 1, (n, 1, 1)).astype(np.float32)
    return np.rint(ink * 255).astype(np.uint8), labels.astype(np.uint8)


def thickness(width, pen, pressure, ys, xs):
    f = evaluate(pressure, ys, xs)
    return width[:, None, None] + np.where(pen, width, 0.04)[:, None, None].astype(np.float32) * f


def waves(rng, n, std):
    f = np.arange(WAVES)
    damp = 1 / (1 + f[:, None] + f[None, :])
    a = rng.standard_normal((n, WAVES, WAVES), dtype=np.float32) * (std * damp).astype(np.float32)
    ph = rng.uniform(0, 2*np.pi, (2, n, 1, WAVES)).astype(np.float32)
    return a, ph


def evaluate(wave, ys, xs):
    a, ph = wave
    k = (np.pi * np.arange(1, WAVES + 1)).astype(np.float32)
    by = np.sin(ys[:, :, None] * k + ph[0])
    bx = np.sin(xs[:, :, None] * k + ph[1])
    return by @ a @ bx.transpose(0, 2, 1)


class Warp:
    def __init__(self, rng, n):
        angle = rng.normal(0, ROTATION, n)
        shear = rng.normal(0.1, SHEAR, n)
        aspect = np.exp(rng.normal(0.1, ASPECT, n))
        c, s = np.cos(angle), np.sin(angle)
        # source = M @ output ; x_src = (c x + s y + shear*y)/aspect
        self.m = np.stack([c + 0 * c, -s, s / aspect + shear, c / aspect]).astype(np.float32)  # yy, yx, xy, xx
        self.waist = rng.normal(0, WAIST, n).astype(np.float32)
        self.dy, self.dx = waves(rng, n, ELASTIC), waves(rng, n, ELASTIC)

    def sample(self, glyphs, ys, xs):
        from scipy import ndimage
        from data_scripts.glyphs import HEIGHT, SIDE as TILE, bank
        b = bank()
        y, x = ys[:, :, None], xs[:, None, :]
        yy, yx, xy, xx = (v[:, None, None] for v in self.m)
        sy = yy * y + yx * x + evaluate(self.dy, ys, xs)
        sx = xy * y + xx * x + evaluate(self.dx, ys, xs)
        sy = sy + self.waist[:, None, None] * (1 - 4 * sy * sy).clip(0)
        sy = np.clip(sy * HEIGHT + (TILE - 1) / 2, 0, TILE - 1.001) + (glyphs * TILE)[:, None, None]
        sx = np.clip(sx * HEIGHT + (TILE - 1) / 2, 0, TILE - 1)
        flat = b.distances.reshape(-1, TILE)
        return ndimage.map_coordinates(flat, np.stack([sy, sx]), order=1, output=np.float32)


def choose(rng, labels):
    from data_scripts.glyphs import bank
    b = bank()
    pen = rng.random(len(labels)) < PEN_CHANCE
    look = rng.random(len(labels)) < LOOKALIKE_CHANCE
    glyphs = np.zeros(len(labels), np.int64)
    for digit in range(10):
        for p in (False, True):
            for l in (False, True):
                where = np.flatnonzero((labels == digit) & (pen == p) & (look == l))
                cand = np.flatnonzero((b.labels == digit) & (b.pen == p) & (b.lookalike == l))
                if len(cand) == 0:
                    cand = np.flatnonzero((b.labels == digit) & (b.pen == p))
                glyphs[where] = rng.choice(cand, len(where))
    return glyphs
