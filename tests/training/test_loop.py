"""The loop itself: what a step is, what is reported, where it begins and what stops it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference.training.batches import Batches
from reference.training.compute import Compute
from reference.training.loop import fit, predict


@pytest.fixture
def examples():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(10, 3, 4, 4, generator=generator), torch.randint(4, (10,), generator=generator)


def sgd(net: nn.Module, rate: float = 0.1) -> torch.optim.Optimizer:
    return torch.optim.SGD(net.parameters(), lr=rate)


def test_an_epoch_is_one_step_of_the_optimiser_per_batch(small_net, examples):
    images, labels = examples
    expected = nn.Sequential(*small_net)  # shares the layers; copied by its numbers below
    before = {name: value.clone() for name, value in small_net.state_dict().items()}
    fit(small_net, [(images[:6], labels[:6]), (images[6:], labels[6:])], sgd(small_net), epochs=1)
    found = {name: value.clone() for name, value in small_net.state_dict().items()}

    expected.load_state_dict(before)
    optimizer = sgd(expected)
    for part in (slice(0, 6), slice(6, 10)):
        optimizer.zero_grad()
        F.cross_entropy(expected(images[part]), labels[part]).backward()
        optimizer.step()
    torch.testing.assert_close(found, dict(expected.state_dict()), rtol=0, atol=0)


def test_means_are_over_images_not_over_batches(small_net, examples):
    """Of uneven batches: a learning rate of 0 keeps the net as it is."""
    images, labels = examples
    parts = [(images[:7], labels[:7]), (images[7:], labels[7:])]
    reports = []
    fit(small_net, parts, sgd(small_net, 0.0), epochs=1, on_epoch=lambda *report: reports.append(report))
    with torch.no_grad():
        logits = torch.cat([small_net(part) for part, _ in parts])
    ((epoch, loss, accuracy),) = reports
    assert epoch == 1
    assert loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    assert accuracy == pytest.approx((logits.argmax(1) == labels).double().mean().item())


def test_epochs_count_from_one_and_go_on_where_an_earlier_run_ended(small_net, examples):
    def reported(**more):
        epochs = []
        batches = Batches(*examples, batch_size=5)
        fit(small_net, batches, sgd(small_net), on_epoch=lambda epoch, *_: epochs.append(epoch), **more)
        return epochs

    assert reported(epochs=3) == [1, 2, 3]
    assert reported(epochs=3, done=1) == [2, 3]
    assert reported(epochs=3, done=3) == []


def test_the_schedule_steps_after_every_batch(small_net, examples):
    optimizer, rates = sgd(small_net, 1.0), []
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    fit(small_net, Batches(*examples, batch_size=5), optimizer, epochs=2, schedule=schedule)
    assert rates == [1.0, 0.5, 0.25, 0.125]


def test_the_net_trains_in_training_mode_also_after_it_was_measured(small_net, examples):
    modes = []
    small_net.register_forward_hook(lambda net, *_: modes.append(net.training))
    batches = Batches(*examples, batch_size=10)
    fit(small_net.eval(), batches, sgd(small_net), epochs=2, on_epoch=lambda *_: small_net.eval())
    assert modes == [True, True]


def test_the_loss_is_computed_in_float32_when_the_net_runs_in_bfloat16(small_net, examples, device):
    images, labels = (part.to(device) for part in examples)
    compute = Compute(device, torch.bfloat16)
    small_net, kinds, losses = compute.place(small_net), [], []
    small_net.register_forward_hook(lambda net, inputs, logits: kinds.append(logits.dtype))
    fit(small_net, [(images, labels)], sgd(small_net), epochs=1, compute=compute,
        on_epoch=lambda epoch, loss, accuracy: losses.append(loss))  # fmt: skip
    assert kinds == [torch.bfloat16]
    # A loss of bfloat16 has 8 significant bits.
    assert torch.tensor(losses[0]).bfloat16().float() != losses[0]
    assert {value.dtype for value in small_net.parameters()} == {torch.float32}


def test_a_loss_that_is_not_finite_stops_the_training(small_net, examples):
    images, labels = examples
    images = images.clone()
    images[0, 0, 0, 0] = float("inf")
    with pytest.raises(FloatingPointError, match="loss of epoch 1 is nan; lower the learning rate"):
        fit(small_net, [(images, labels)], sgd(small_net), epochs=1)


@pytest.mark.parametrize("batches", [[], Batches(torch.zeros(0, 3, 4, 4), torch.zeros(0).long(), batch_size=2)])
def test_a_training_without_images_is_refused(small_net, batches):
    with pytest.raises(ValueError, match="expected at least one"):
        fit(small_net, batches, sgd(small_net), epochs=1)


def test_a_training_without_epochs_is_refused(small_net):
    with pytest.raises(ValueError, match="epochs: expected at least 1, found 0"):
        fit(small_net, [], sgd(small_net), epochs=0)


# ------------------------------------------------------------------------------- predict
def test_predictions_do_not_depend_on_the_batch_size_and_are_of_evaluation_mode(small_net, examples):
    images, _ = examples
    small_net(images)  # running statistics that differ from the batch's
    found = predict(small_net.train(), images, batch_size=3)
    assert small_net.training
    with torch.no_grad():
        expected = small_net.eval()(images)
    torch.testing.assert_close(found, expected)
    assert not found.requires_grad
    predict(small_net, images)
    assert not small_net.training


def test_predictions_see_transformed_images(small_net, examples):
    images, _ = examples
    small_net.eval()
    found = predict(small_net, images, transform=lambda batch: batch + 1, batch_size=4)
    torch.testing.assert_close(found, predict(small_net, images + 1))


def test_predictions_of_a_net_in_bfloat16_come_as_float32(small_net, examples, device):
    compute = Compute(device, torch.bfloat16)
    found = predict(compute.place(small_net), compute.images(examples[0]), compute=compute)
    assert found.dtype == torch.float32
    assert torch.equal(found, found.bfloat16().float())  # computed in bfloat16 nevertheless


def test_a_net_that_raises_is_left_in_its_mode(small_net):
    with pytest.raises(RuntimeError):
        predict(small_net.train(), torch.zeros(2, 5, 4, 4))
    assert small_net.training
