"""The handles of deliverable 6, on images and models that come with the repository."""

import numpy as np
import pytest
import torch

from data_scripts.hw3_models import own_models
from grader.assignments.hw3.deliverable6 import IMPROVED, TARGETED, UNTARGETED
from grader.oracles import evasion
from grader.worker.attack import BackwardPasses

TASKS = {task.handle: task for task in (UNTARGETED, TARGETED, IMPROVED)}


@pytest.fixture(scope="module")
def models(attack):
    """Our own models A and B, in the submission's `Net`."""
    models = {}
    for name, parameters in own_models().models.items():
        models[name] = attack.Net()
        models[name].load_state_dict({key: torch.from_numpy(np.array(v)) for key, v in parameters.items()})
        models[name].eval().requires_grad_(False)
    return models


@pytest.fixture(scope="module")
def strokes() -> torch.Tensor:
    """(12, 1, 28, 28): upright strokes, as a transposed "1" is not; whole pixel values."""
    random = np.random.default_rng(0)
    images = np.zeros((12, 28, 28), np.uint8)
    for image in images:
        row, lean = random.integers(12, 16), random.uniform(-0.15, 0.15)
        for column in range(5, 23):
            centre = int(row + lean * (column - 14))
            image[centre - 1 : centre + 2, column] = random.integers(120, 256, 3)
    return torch.from_numpy(images)[:, None].float()


@pytest.fixture(params=sorted(TASKS))
def task(request):
    return TASKS[request.param]


def run(attack, task, model, x, epsilon):
    label = task.target if task.target is not None else 1
    return getattr(attack, task.handle)(model, x, torch.full((len(x),), label), epsilon)


@pytest.mark.parametrize("epsilon", [1, 8, 16, 64])
def test_examples_stay_in_range_and_within_epsilon(attack, models, strokes, task, epsilon):
    found = run(attack, task, models["A"], strokes, epsilon)
    reason = evasion.fault(found.detach(), strokes, epsilon)
    assert reason is None, reason


def test_backward_passes_stay_within_the_budget(attack, models, strokes, task):
    with BackwardPasses(strokes, reach=9) as counted:
        run(attack, task, models["B"], strokes, 8)
    assert 0 < counted.passes.max() + counted.stray / len(strokes) <= task.budget


def test_the_given_images_and_the_model_stay_as_they_are(attack, models, strokes, task):
    before = strokes.clone()
    state = {key: value.clone() for key, value in models["A"].state_dict().items()}
    run(attack, task, models["A"], strokes, 16)
    assert torch.equal(strokes, before)
    assert all(torch.equal(value, state[key]) for key, value in models["A"].state_dict().items())


def test_larger_limits_let_an_attack_come_farther(attack, models, strokes):
    labels = torch.full((len(strokes),), 1)
    moved = [
        (attack.untargeted_attack(models["A"], strokes, labels, epsilon) - strokes).abs().max()
        for epsilon in (2, 16)
    ]
    assert moved[0] <= 2 < moved[1]


def test_at_a_large_limit_the_target_is_reached(attack, models, strokes):
    eights = torch.full((len(strokes),), 8)
    found = attack.improved_targeted_attack(models["A"], strokes, eights, 64).detach()
    assert evasion.success(own_models().models["A"], found, eights, targeted=True).rate > 0.5


def test_the_improved_attack_repeats_its_examples(attack, models, strokes):
    eights = torch.full((len(strokes),), 8)
    once, again = (attack.improved_targeted_attack(models["A"], strokes, eights, 16) for _ in range(2))
    assert torch.equal(once, again)


def test_net_computes_what_models_a_and_b_are(attack, models, strokes):
    for name, parameters in own_models().models.items():
        torch.testing.assert_close(
            models[name](strokes).double(), evasion.logits(parameters, strokes), rtol=1e-4, atol=1e-3
        )


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_accuracy_counts_every_image_once_in_evaluation_mode(attack, models, strokes, batch_size):
    labels = models["A"](strokes).argmax(1)
    labels[:3] = (labels[:3] + 1) % 10
    model = models["A"].train()
    assert attack.test(model, strokes, labels, batch_size) == pytest.approx(9 / 12)
    model.eval()
