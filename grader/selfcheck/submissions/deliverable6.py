"""A correct submission to deliverable 6: a whole `attack.py` as a student may write it."""

from grader.selfcheck.mutant import Base

ATTACK = '''\
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 10, 5), nn.Conv2d(10, 20, 5)
        self.drop2d, self.drop = nn.Dropout2d(), nn.Dropout()
        self.fc1, self.fc2 = nn.Linear(320, 50), nn.Linear(50, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.drop2d(self.conv2(x)), 2))
        return self.fc2(self.drop(F.relu(self.fc1(x.flatten(1)))))


def test(model, x, y, batch_size):
    model.eval()
    with torch.no_grad():
        right = sum((model(a).argmax(1) == b).sum().item() for a, b in zip(x.split(batch_size), y.split(batch_size)))
    return right / len(x)


def margin(logits, labels):
    own = logits.gather(1, labels[:, None])[:, 0]
    return own - logits.scatter(1, labels[:, None], -1e9).max(1).values


def steps_along(model, x, epsilon, steps, loss, shrink):
    point = x.clone()
    for step in range(steps):
        point.requires_grad_()
        loss(model(point)).sum().backward()
        size = epsilon * (1 - step / steps if shrink else 2.5 / steps)
        with torch.no_grad():
            point = point + size * point.grad.sign()
            point = torch.min(torch.max(point, x - epsilon), x + epsilon).clamp(0, 255)
    return point.detach()


def untargeted_attack(model, x, y, epsilon):
    return steps_along(model, x, epsilon, 20, lambda z: -margin(z, y), True)


def targeted_attack(model, x, target, epsilon):
    return steps_along(model, x, epsilon, 100, lambda z: -F.cross_entropy(z, target), False)


def improved_targeted_attack(model, x, target, epsilon):
    return steps_along(model, x, epsilon, 100, lambda z: margin(z, target), True)
'''

# Few steps are enough for few images, and leave most of the budget.
ATTACKS = Base("attacks", 6, {"deliverable6/attack.py": ATTACK.replace("epsilon, 100,", "epsilon, 8,")})
