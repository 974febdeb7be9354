"""HW3 deliverable 6: evasion attacks with an L∞ limit on two MNIST classifiers, models A and B.

FACTS

    python attack.py

prints the benign accuracy of both models and the success rates of all three tasks at ε = 8 and 16
on MNIST's test images. The models are the hand-out's where `python -m data_scripts.fetch
hw3-models --from DIR` has brought them, else two of our own (`data_scripts/targets`).

Images are raw pixel values, whole numbers from 0 to 255, and lie transposed: `load_images`. Every
distance is in these units. Adversarial examples are judged after rounding to whole numbers.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# solution-only
from reference.attacks.goal import Goal
from reference.attacks.margin import MarginAttack
from reference.attacks.pgd import PGD
from reference.attacks.rivals import RivalsAttack
# end solution-only


class Net(nn.Module):
    """The architecture of models A and B. Given; their state dicts fit its names."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.drop2d = nn.Dropout2d()
        self.fc1 = nn.Linear(320, 50)
        self.drop = nn.Dropout()
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Raw pixels (N, 1, 28, 28), transposed → logits (N, 10)."""
        x = F.relu(F.max_pool2d(self.conv1(x), 2))  # (N, 10, 12, 12)
        x = F.relu(F.max_pool2d(self.drop2d(self.conv2(x)), 2))  # (N, 20, 4, 4)
        x = self.drop(F.relu(self.fc1(x.flatten(1))))  # (N, 50)
        return self.fc2(x)


@torch.no_grad()
def test(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    """Accuracy of `model` on images, from 0 to 1. Given.

    Args:
        model: evaluated in evaluation mode, and left in it.
        x: (N, 1, 28, 28), raw pixels, transposed.
        y: (N,), int64, the digits.
        batch_size: images per forward pass; need not divide N.
    """
    model.eval()
    right = 0
    for images, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
        right += (model(images).argmax(1) == labels).sum().item()
    return right / len(x)


def untargeted_attack(
    model: nn.Module, x: Tensor, y: Tensor, epsilon: float, steps: int = 20
) -> Tensor:
    """Task 1: make `model` predict anything but `y`.

    Args:
        model: raw pixels (N, 1, 28, 28) → logits (N, 10); in evaluation mode. Its parameters stay.
        x: (N, 1, 28, 28), float32, raw pixels, transposed. Stays as it is.
        y: (N,), int64, the digits.
        epsilon: greatest change of any pixel (L∞), in grey values.
        steps: backward passes per image, at most 20. One pass of a batch is one for each image in
            it. Forward passes are free.

    Returns:
        adversarial images like `x`, within 0 to 255 and within epsilon of `x`, before and after
        rounding to whole numbers.
    """
    # solution: hw3 deliverable 6, task 1: untargeted_attack
    attack = MarginAttack(steps=steps)
    return attack.perturb(model, x, Goal(y, targeted=False), epsilon)
    # end solution


def targeted_attack(
    model: nn.Module, x: Tensor, target: Tensor, epsilon: float, steps: int = 100
) -> Tensor:
    """Task 2: make `model` predict `target`, such as 8 on images of 1.

    Args:
        model, x, epsilon: as in task 1.
        target: (N,), int64, the class that each image is to be taken for.
        steps: backward passes per image, at most 100.

    Returns:
        adversarial images, as in task 1.
    """
    # solution: hw3 deliverable 6, task 2: targeted_attack
    attack = PGD(steps=steps)
    return attack.perturb(model, x, Goal(target, targeted=True), epsilon)
    # end solution


def improved_targeted_attack(
    model: nn.Module, x: Tensor, target: Tensor, epsilon: float, steps: int = 100, seed: int = 0
) -> Tensor:
    """Task 3: as task 2 and within the same budget, but more often with success.

    Args:
        model, x, target, epsilon, steps: as in task 2.
        seed: of everything random, so that a reported number can be repeated to the digit.

    Returns:
        adversarial images, as in task 1.
    """
    # solution: hw3 deliverable 6, task 3: improved_targeted_attack
    attack = RivalsAttack(steps=steps, seed=seed)
    return attack.perturb(model, x, Goal(target, targeted=True), epsilon)
    # end solution


@torch.no_grad()
def success_rate(model: nn.Module, adversarial: Tensor, labels: Tensor, targeted: bool) -> float:
    """How often adversarial examples do what they are meant to, from 0 to 1. Given.

    Args:
        model: in evaluation mode.
        adversarial: (N, 1, 28, 28); judged after rounding to whole pixel values.
        labels: (N,), the target classes, or the true ones that are to be left.
        targeted: which of the two.
    """
    reached = model(adversarial.round()).argmax(1) == labels
    return (reached if targeted else ~reached).double().mean().item()


def load_images(part: str = "test") -> tuple[Tensor, Tensor]:
    """MNIST as the models take it. Given.

    Args:
        part: "train" or "test".

    Returns:
        images (N, 1, 28, 28), float32, raw pixels, transposed; and digits (N,), int64.
    """
    from data_scripts import load

    mnist = load("mnist")
    images, labels = getattr(mnist, f"{part}_images"), getattr(mnist, f"{part}_labels")
    # (N, 28, 28) → (N, 28, 28, 1) → axes 1 and 3 swapped
    x = torch.from_numpy(np.array(images)).reshape(-1, 28, 28, 1).swapaxes(1, 3).float().contiguous()
    return x, torch.from_numpy(np.array(labels, dtype=np.int64))


def load_target_models() -> tuple[dict[str, nn.Module], str]:
    """Models A and B, in evaluation mode, and one line on where they come from. Given."""
    from data_scripts.hw3_models import load_models

    found = load_models()
    models = {}
    for name, parameters in found.models.items():
        models[name] = Net()
        models[name].load_state_dict({key: torch.from_numpy(np.array(v)) for key, v in parameters.items()})
        models[name].eval().requires_grad_(False)
    return models, found.source


def main(limits: tuple[int, ...] = (8, 16)) -> None:
    """Benign accuracy, and the success rates of the three tasks, for both models."""
    x, y = load_images("test")
    ones = x[y == 1]
    eights = torch.full((len(ones),), 8)
    models, source = load_target_models()
    print(f"{source}; {len(x):,} test images, {len(ones):,} of them ones")
    for name, model in models.items():
        print(f"model {name}: {test(model, x, y, batch_size=1000):.2%} right without an attack")
        for epsilon in limits:
            adversarial = untargeted_attack(model, x, y, epsilon)
            print(f"  ε={epsilon:2}  task 1, untargeted: {success_rate(model, adversarial, y, False):.2%}")
            for title, attack in (("task 2, 1 → 8", targeted_attack), ("task 3, 1 → 8", improved_targeted_attack)):
                adversarial = attack(model, ones, eights, epsilon)
                print(f"  ε={epsilon:2}  {title}: {success_rate(model, adversarial, eights, True):.2%}", flush=True)


if __name__ == "__main__":
    main()
