"""The synthetic sets: repeatable, varied, in the shape of what they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data_scripts import batches, digits, shapes
from data_scripts.dataset import Arrays
from data_scripts.glyphs import bank
from data_scripts.outlines import OUTLINES

GENERATORS = pytest.mark.parametrize("generate", [digits.generate, shapes.generate], ids=["digits", "shapes"])


def equal(first: Arrays, second: Arrays) -> bool:
    """Whether all four arrays are equal."""
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@GENERATORS
def test_equal_seeds_give_equal_images(generate):
    assert equal(generate(3, 40, 20), generate(3, 40, 20))


@GENERATORS
def test_another_seed_gives_other_images(generate):
    first, second = generate(3, 40, 20), generate(4, 40, 20)
    assert not np.array_equal(first.train_images, second.train_images)
    assert not np.array_equal(first.test_images, second.test_images)


@GENERATORS
def test_the_number_of_threads_does_not_matter(generate, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 10)
    several = generate(3, 40, 20)
    monkeypatch.setattr(batches, "THREADS", 1)
    assert equal(several, generate(3, 40, 20))


@GENERATORS
def test_no_image_comes_twice(generate):
    arrays = generate(0, 300, 300)
    images = np.concatenate([arrays.train_images, arrays.test_images]).reshape(600, -1)
    assert len(np.unique(images, axis=0)) == 600


@GENERATORS
def test_every_class_comes_about_equally_often(generate):
    counts = np.bincount(generate(0, 1000, 10).train_labels, minlength=10)
    assert counts.min() > 60  # of 100; five standard deviations are 47


@pytest.mark.parametrize(("generate", "shape"), [(digits.generate, (28, 28)), (shapes.generate, (32, 32, 3))])
def test_shapes_and_types_are_those_of_the_real_set(generate, shape):
    arrays = generate(0, 30, 20)
    assert arrays.train_images.shape == (30, *shape)
    assert arrays.test_images.shape == (20, *shape)
    assert arrays.train_images.dtype == arrays.train_labels.dtype == np.uint8


def test_digits_are_framed_as_in_mnist():
    images = digits.generate(0, 500, 10).train_images.astype(np.float64)
    grid = np.arange(28)
    for axis in (1, 2):
        profile = images.sum(axis)  # (N, 28)
        centre = profile @ grid / profile.sum(1)
        assert abs(centre - 13.5).mean() < 0.5
    inked = images > 64
    longer = np.maximum(inked.any(1).sum(1), inked.any(2).sum(1))
    assert 19 <= longer.mean() <= 21.5
    assert (images[:, [0, -1]] == 0).mean() > 0.98  # paper at the border


def test_the_bank_has_every_digit_in_every_style():
    glyphs = bank()
    for style in ("outline", "pen", "hand"):
        assert set(glyphs.labels[glyphs.styles == style]) == set(range(10))
    ink = (glyphs.distances < 0.05).mean((1, 2))
    assert ink.min() > 0.005  # thinning never loses a glyph


def test_shapes_have_ten_outlines_of_comparable_size():
    y, x = np.mgrid[-1.5:1.5:61j, -1.5:1.5:61j].astype(np.float32)
    assert len(OUTLINES) == 10
    for name, outline in OUTLINES.items():
        inside = outline(x, y) < 0
        assert 0.05 < inside.mean() < 0.35, name
        assert not inside[[0, -1]].any() and not inside[:, [0, -1]].any(), name


@pytest.mark.slow
def test_a_linear_classifier_stays_under_half_on_shapes():
    arrays = shapes.generate(0, 4000, 1000)
    train, test = (torch.from_numpy(images.reshape(len(images), -1)).float() / 255 - 0.5
                   for images in (arrays.train_images, arrays.test_images))  # fmt: skip
    train_labels, test_labels = (torch.from_numpy(labels).long() for labels in (arrays.train_labels, arrays.test_labels))
    torch.manual_seed(0)
    linear = torch.nn.Linear(3072, 10)
    optimizer = torch.optim.Adam(linear.parameters(), 1e-3)
    for _ in range(5):
        for batch in torch.randperm(4000).split(200):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(linear(train[batch]), train_labels[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        accuracy = (linear(test).argmax(1) == test_labels).float().mean().item()
    assert accuracy < 0.5
