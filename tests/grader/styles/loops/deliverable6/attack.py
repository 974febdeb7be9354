"""One image after the other, and a step at a time; the given parts as they are in the hand-out."""
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.drop2d = nn.Dropout2d()
        self.fc1 = nn.Linear(320, 50)
        self.drop = nn.Dropout()
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.drop2d(self.conv2(x)), 2))
        x = self.drop(F.relu(self.fc1(x.flatten(1))))
        return self.fc2(x)


def test(model, x, y, batch_size):
    model.eval()
    right = 0
    for image, label in zip(x, y):
        if model(image[None]).argmax().item() == label.item():
            right += 1
    return right / len(x)


def clip(image, original, epsilon):
    image = torch.maximum(image, original - epsilon)
    image = torch.minimum(image, original + epsilon)
    return torch.clamp(image, 0, 255)


def difference(logits, label):
    others = torch.cat([logits[:label], logits[label + 1 :]])
    return logits[label] - others.max()


def attack(model, original, label, epsilon, steps, towards, loss):
    image = original.clone()
    for step in range(steps):
        image = image.detach()
        image.requires_grad = True
        loss(model(image[None])[0], label).backward()
        size = epsilon * (1 - step / steps)
        image = clip(image + towards * size * torch.sign(image.grad), original, epsilon)
        if loss is difference and towards * loss(model(image.round()[None])[0], label) > 0:
            break  # it is fooled already
    return image.detach()


def log_probability(logits, label):
    return torch.log_softmax(logits, dim=0)[label]


def untargeted_attack(model, x, y, epsilon, steps=20):
    return torch.stack([attack(model, a, int(b), epsilon, steps, -1, difference) for a, b in zip(x, y)])


def targeted_attack(model, x, target, epsilon, steps=100):
    result = []
    for i in range(len(x)):
        result.append(attack(model, x[i], target[i].item(), epsilon, 30, +1, log_probability))
    return torch.stack(result)


def improved_targeted_attack(model, x, target, epsilon, steps=100, seed=0):
    result = x.clone()
    for i in range(len(x)):
        result[i] = attack(model, x[i], target[i].item(), epsilon, 60, +1, difference)
    return result
