"""Net from a module beside; an epoch is a generator, the learning rate has a schedule, AdamW trains."""
import random

import numpy as np
import torch
from network import Net
from torch.nn.functional import cross_entropy
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

SIZE = 40


def setup_seed(seed: int):
    random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)


def batches(images, labels):
    chosen = list(range(len(images)))
    random.shuffle(chosen)
    for start in range(0, len(chosen), SIZE):
        part = chosen[start : start + SIZE]
        yield images[part], labels[part]


def train(net, images, labels, epochs, on_epoch):
    optimizer = AdamW(net.parameters(), lr=0.005)
    schedule = OneCycleLR(optimizer, max_lr=0.005, total_steps=epochs * -(-len(images) // SIZE))
    for epoch in range(epochs):
        losses, right = torch.zeros(()), torch.zeros(())
        for x, y in batches(images, labels):
            logits = net(x)
            loss = cross_entropy(logits, y, reduction="none")
            optimizer.zero_grad()
            loss.mean().backward()
            optimizer.step()
            schedule.step()
            losses += loss.detach().sum()
            right += logits.argmax(-1).eq(y).sum()
        on_epoch(1 + epoch, losses / len(labels), right / len(labels))
