"""What follows from outputs and gradients: labels and losses for cross-entropy in any dress, nothing for others."""

import math

import pytest
import torch
import torch.nn.functional as F

from grader.oracles.batches import Batches, explain
from grader.oracles.reported import Reported, wrong_number

ROWS = torch.tensor([50, 50, 50, 50, 50, 17])
CLASSES = 10


def cross_entropy(z, y):
    return F.cross_entropy(z.float(), y)


def smoothed(z, y):
    return F.cross_entropy(z.float(), y, label_smoothing=0.1)


def behind_softmax(z, y):
    return F.cross_entropy(z.float().softmax(1), y)


def seen(loss, sure: float, dtype=torch.float32, wrong: float = 0.3) -> tuple[Batches, torch.Tensor, torch.Tensor]:
    """Batches of a network that is so sure of itself; the true mean losses and accuracies beside them."""
    generator = torch.Generator().manual_seed(0)
    values, gradients, losses, accuracies = [], [], [], []
    for rows in ROWS.tolist():
        y = torch.randint(CLASSES, (rows,), generator=generator)
        towards = torch.where(torch.rand(rows, generator=generator) < wrong, (y + 3) % CLASSES, y)
        z = torch.randn(rows, CLASSES, generator=generator) + 2 * F.one_hot(towards, CLASSES)
        z = (sure * z).to(dtype).requires_grad_()
        gradients += torch.autograd.grad(loss(z, y), z)
        values.append(z.detach())
        losses.append(F.cross_entropy(z.detach().double(), y))
        accuracies.append((z.argmax(1) == y).double().mean())
    found = explain(torch.cat(values).float(), torch.cat(gradients).float(), ROWS)
    return found, torch.stack(losses), torch.stack(accuracies)


@pytest.mark.parametrize("sure", [0.01, 0.3, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("wrong", [0.0, 0.3])
@pytest.mark.parametrize(
    ("loss", "dtype", "scale"),
    [
        (cross_entropy, torch.float32, 1),
        (cross_entropy, torch.bfloat16, 1),
        (cross_entropy, torch.float16, 1),
        (lambda z, y: 65536 * cross_entropy(z, y), torch.float16, 65536),
        (lambda z, y: cross_entropy(z, y) / 4, torch.float32, 0.25),
        (lambda z, y: cross_entropy(z.log_softmax(1), y), torch.float32, 1),
        (smoothed, torch.float32, None),
        (smoothed, torch.bfloat16, None),
    ],
)
def test_labels_losses_and_accuracies_follow_from_the_gradients(loss, dtype, scale, wrong, sure):
    found, losses, accuracies = seen(loss, sure, dtype, wrong)
    assert found.explained.all() and not found.softmax.any()
    torch.testing.assert_close(found.loss, losses, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.accuracy, accuracies)
    if scale:
        torch.testing.assert_close(found.scale, torch.full_like(found.scale, scale), rtol=0.01, atol=0)


def test_a_smoothed_loss_is_computed_with_its_smoothing():
    for sure in (1.0, 5.0):
        generator = torch.Generator().manual_seed(1)
        z = (sure * torch.randn(40, CLASSES, generator=generator)).requires_grad_()
        y = z.detach().argmax(1)
        loss = smoothed(z, y)
        found = explain(z.detach(), *torch.autograd.grad(loss, z), torch.tensor([40]))
        assert float(found.smoothed) == pytest.approx(loss.item(), rel=1e-4)
        assert float(found.loss) == pytest.approx(F.cross_entropy(z.detach(), y).item(), rel=1e-4)


def test_images_that_have_reached_their_smoothed_targets_are_explained():
    y = torch.arange(40) % CLASSES
    target = 0.9 * F.one_hot(y, CLASSES) + 0.1 / CLASSES
    z = (target.log() + 1e-4 * torch.randn(40, CLASSES, generator=torch.Generator().manual_seed(2))).requires_grad_()
    found = explain(z.detach(), *torch.autograd.grad(smoothed(z, y), z), torch.tensor([40]))
    assert found.explained.all() and found.accuracy == 1
    assert float(found.loss) == pytest.approx(-math.log(0.91), rel=1e-3)


@pytest.mark.parametrize("sure", [0.3, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_softmax_before_the_loss_is_told(sure, dtype):
    found, _, _ = seen(behind_softmax, sure, dtype)
    assert found.softmax[found.telling].double().mean() > 0.7
    assert not (found.softmax & found.explained).any()


OTHERS = {
    "squares": lambda z, y: F.mse_loss(z, F.one_hot(y, CLASSES).float()),
    "squares of probabilities": lambda z, y: F.mse_loss(z.softmax(1), F.one_hot(y, CLASSES).float()),
    "absolute error": lambda z, y: (1 - z.softmax(1).gather(1, y[:, None])).mean(),
    "one against the rest": lambda z, y: F.binary_cross_entropy_with_logits(z, F.one_hot(y, CLASSES).float()),
    "a margin": F.multi_margin_loss,
    "a temperature": lambda z, y: F.cross_entropy(z / 2, y),
    "weighted classes": lambda z, y: F.cross_entropy(z, y, weight=torch.linspace(0.5, 2, CLASSES)),
    "mixed labels": lambda z, y: 0.3 * F.cross_entropy(z, y) + 0.7 * F.cross_entropy(z, y.flip(0)),
    "another sign": lambda z, y: -F.cross_entropy(z, y),
}


@pytest.mark.parametrize("sure", [1.0, 5.0, 20.0])
@pytest.mark.parametrize("name", OTHERS)
def test_another_loss_is_not_explained_and_not_taken_for_a_softmax(name, sure):
    found, _, _ = seen(OTHERS[name], sure)
    assert not found.explained.any()
    assert found.softmax.double().mean() < 0.5


@pytest.mark.parametrize("name", OTHERS)
def test_no_loss_but_the_softmaxs_is_taken_for_it_in_a_network_that_knows_little(name):
    found, _, _ = seen(OTHERS[name], 0.3)
    assert not found.softmax.any()


def test_numbers_that_are_not_finite_explain_nothing():
    values, gradients = torch.randn(20, CLASSES), torch.randn(20, CLASSES)
    values[3, 4], gradients[12, 0] = torch.inf, torch.nan
    found = explain(values, gradients, torch.tensor([10, 10]))
    assert not found.explained.any() and not found.softmax.any() and not found.telling.any()


# ------------------------------------------------------------------------------------ reported numbers
LOSSES = ([2.0, 1.2, 0.9, 0.7, 0.5], [0.45, 0.4, 0.38, 0.35, 0.25], [0.2, 0.22, 0.19, 0.18, 0.12])
RIGHT = ([0.2, 0.5, 0.7, 0.75, 0.85], [0.87, 0.88, 0.9, 0.91, 0.95], [0.95, 0.94, 0.96, 0.97, 0.99])
SIZES = torch.tensor([100, 100, 100, 100, 40])


def epochs(loss, accuracy, *, apart: int = 0, size: int = 440, scale: float = 1.0) -> list[Reported]:
    """Three epochs, with what is reported of the n-th of them."""
    made = []
    for number, (losses, right) in enumerate(zip(LOSSES, RIGHT, strict=True), 1):
        each, shares = torch.tensor(losses).double(), torch.tensor(right).double()
        every = torch.ones(5, dtype=torch.bool)
        batches = Batches(SIZES, every, ~every, every, each, each, shares, torch.full((5,), scale).double())
        made.append(Reported(number, loss(number), accuracy(number), batches, 440, apart, size, 0.5 + 0.15 * number))
    return made


def mean(each: tuple[list[float], ...], number: int) -> float:
    return float((torch.tensor(each[number - 1]) * SIZES).sum()) / 440


def loss(number: int) -> float:
    return mean(LOSSES, number)


def accuracy(number: int) -> float:
    return mean(RIGHT, number)


def test_means_by_images_by_batches_and_by_all_images_are_right():
    for right in (loss, lambda n: sum(LOSSES[n - 1]) / 5, lambda n: loss(n) * 440 / 450, lambda n: loss(n) + 0.005):
        assert wrong_number(epochs(right, accuracy, size=450)) == ("", "")
    assert wrong_number(epochs(loss, lambda n: sum(RIGHT[n - 1]) / 5)) == ("", "")


def test_a_penalty_an_average_of_late_batches_and_a_part_of_the_loss_are_no_fault():
    assert wrong_number(epochs(lambda n: loss(n) + 1.7, accuracy)) == ("", "")
    assert wrong_number(epochs(lambda n: loss(n) / 4, accuracy, scale=0.25)) == ("", "")
    assert wrong_number(epochs(loss, lambda n: sum(RIGHT[n - 1][2:]) / 3)) == ("", "")


@pytest.mark.parametrize(
    ("reported", "said"),
    [
        (lambda n: LOSSES[n - 1][-1], "of the last batch alone"),
        (lambda n: sum(LOSSES[n - 1]), "the batches' are added up and not divided"),
        (lambda n: 440 * loss(n), "the images' are added up and not divided"),
        (lambda n: 88 * loss(n), "divided by the number of batches"),
        (lambda n: sum(LOSSES[n - 1]) / 440, "divided by the number of images"),
        (lambda n: sum(map(loss, range(1, n + 1))), "the sums of earlier epochs"),
        (lambda n: loss(n - 1) if n > 1 else 9.0, "of the epoch before"),
        (lambda n: loss(1), "of the first epoch"),
    ],
)
def test_a_slip_that_gives_the_loss_is_named(reported, said):
    fault, why = wrong_number(epochs(reported, accuracy))
    assert "the loss is reported as" in fault and said in why


@pytest.mark.parametrize(
    ("reported", "said"),
    [
        (lambda n: RIGHT[n - 1][-1], "of the last batch alone"),
        (lambda n: accuracy(1), "of the first epoch"),
        (lambda n: accuracy(n) * 440 / 60_000, "by the number of images in the epoch"),
        (lambda n: 1.0, "by the number of images in the epoch"),
    ],
)
def test_a_slip_that_gives_the_accuracy_is_named(reported, said):
    fault, why = wrong_number(epochs(loss, reported))
    assert "the accuracy is reported as" in fault and said in why


def test_the_accuracy_of_images_that_were_evaluated_apart_is_told():
    held = epochs(loss, lambda n: (40 + 2 * n) / 60, apart=60)
    assert "evaluated apart" in wrong_number(held)[1]
    assert wrong_number(epochs(loss, lambda n: 0.7012 + 0.05 * n, apart=60)) == ("", "")  # a share of 60 it is not
    assert wrong_number(epochs(loss, accuracy, apart=60)) == ("", "")


def test_who_evaluates_all_images_or_passes_them_twice_is_not_compared():
    assert wrong_number(epochs(lambda n: LOSSES[n - 1][-1], lambda n: 0.123, apart=440)) == ("", "")
    assert wrong_number(epochs(lambda n: LOSSES[n - 1][-1], lambda n: 0.123, size=220)) == ("", "")
