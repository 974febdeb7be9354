'''torch.autograd.grad in place of backward, momentum, and a class for all three attacks.'''
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.view(-1, 320)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, training=self.training)
        return self.fc2(x)


def test(model, x, y, batch_size):
    model.eval()
    correct = 0
    with torch.no_grad():
        for i in range(0, len(x), batch_size):
            correct += torch.eq(torch.max(model(x[i : i + batch_size]), 1)[1], y[i : i + batch_size]).sum()
    return float(correct) / len(x)


class Attack:
    def __init__(self, epsilon, steps, decay=0.0, loss='margin'):
        self.epsilon, self.steps, self.decay, self.loss = epsilon, steps, decay, loss

    def objective(self, logits, labels, sign):
        own = torch.sum(logits * F.one_hot(labels, 10), 1)
        if self.loss == 'cross-entropy':
            return sign * F.log_softmax(logits, 1).gather(1, labels[:, None]).sum()
        other = torch.max(logits - 1e6 * F.one_hot(labels, 10), 1)[0]
        return sign * (own - other).sum()

    def __call__(self, model, x, labels, sign):
        low, high = (x - self.epsilon).clamp(min=0), (x + self.epsilon).clamp(max=255)
        adversarial, velocity = x.detach().clone(), torch.zeros_like(x)
        for step in range(self.steps):
            adversarial = adversarial.detach().requires_grad_(True)
            gradient, = torch.autograd.grad(self.objective(model(adversarial), labels, sign), adversarial)
            gradient = gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-12)
            velocity = self.decay * velocity + gradient
            size = self.epsilon * (1 - step / self.steps)
            adversarial = torch.minimum(torch.maximum(adversarial + size * velocity.sign(), low), high)
        return adversarial.detach()


def untargeted_attack(model, x, y, epsilon, steps=20):
    return Attack(epsilon, steps)(model, x, y, -1)


def targeted_attack(model, x, target, epsilon, steps=100):
    return Attack(epsilon, steps, loss='cross-entropy')(model, x, target, +1)


def improved_targeted_attack(model, x, target, epsilon, steps=100, seed=0):
    return Attack(epsilon, steps, decay=0.5)(model, x, target, +1)
