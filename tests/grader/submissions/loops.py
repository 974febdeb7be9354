"""Training loops for deliverable 2: right ones of many kinds, which must keep every point that a loop can lose.

Each is the body of `train`; `HEAD` comes before it.
"""

HEAD = '''
import copy, io, random
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

def setup_seed(seed):
    random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 48), nn.ReLU(), nn.Linear(48, 10))
    def forward(self, x):
        return self.layers(x)

def batches(images, size=50):
    return torch.randperm(len(images)).split(size)

def train(net, images, labels, epochs, on_epoch):
'''

_STEP = """\
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(1, epochs + 1):
        total, right = 0.0, 0
        for chosen in batches(images):
            x, y = images[chosen], labels[chosen]
            {step}
            total += loss.item() * len(y)
            right += (logits.argmax(1) == y).sum().item()
        on_epoch(epoch, total / len(images), right / len(images))
"""


def _step(*lines: str) -> str:
    """A loop whose steps are these lines; they make `loss` and `logits`."""
    return _STEP.format(step="\n            ".join(lines))


_BACK = ("optimizer.zero_grad()", "loss.backward()", "optimizer.step()")
_CROSS = ("logits = net(x)", "loss = F.cross_entropy(logits, y)", *_BACK)
PLAIN = _step(*_CROSS)

# Cross-entropy, or something close to it, in one pass over all images.
RIGHT = {
    "plain": PLAIN,
    "cleared behind the step": _step("logits = net(x)", "loss = F.cross_entropy(logits, y)", "loss.backward()",
                                     "optimizer.step()", "net.zero_grad(set_to_none=False)"),
    "cleared by hand": _step("logits = net(x)", "loss = F.cross_entropy(logits, y)",
                             "for p in net.parameters(): p.grad = None", "loss.backward()", "optimizer.step()"),
    "net.forward": PLAIN.replace("net(x)", "net.forward(x)"),
    "nll_loss of log_softmax": PLAIN.replace("F.cross_entropy(logits", "F.nll_loss(logits.log_softmax(1)"),
    "label smoothing": PLAIN.replace("(logits, y)", "(logits, y, label_smoothing=0.1)"),
    "label smoothing, plain loss reported": _step(
        "logits = net(x)", "loss = F.cross_entropy(logits, y)", "optimizer.zero_grad()",
        "F.cross_entropy(logits, y, label_smoothing=0.2).backward()", "optimizer.step()"),
    "weight decay in the loss": _step(
        "logits = net(x)", "loss = F.cross_entropy(logits, y) + 0.01 * sum((p ** 2).sum() for p in net.parameters())",
        *_BACK),
    "sum over the batch": _step(
        "logits = net(x)", "loss = F.cross_entropy(logits, y, reduction='sum') / len(y)", *_BACK),
    "summed loss": _step("logits = net(x)", "loss = F.cross_entropy(logits, y, reduction='sum')", *_BACK).replace(
        "loss.item() * len(y)", "loss.item()"),
    "clipped": _step("logits = net(x)", "loss = F.cross_entropy(logits, y)", "optimizer.zero_grad()", "loss.backward()",
                     "nn.utils.clip_grad_norm_(net.parameters(), 0.1)", "optimizer.step()"),
    "autocast": _step("with torch.autocast('cpu', torch.bfloat16):", "    logits = net(x)",
                      "    loss = F.cross_entropy(logits, y)", *_BACK),
    "autocast, loss in float32": _step("with torch.autocast('cpu', torch.bfloat16):", "    logits = net(x)",
                                       "loss = F.cross_entropy(logits.float(), y)", *_BACK),
    "float16 with a GradScaler": PLAIN.replace(
        "    for epoch", "    scaler = torch.amp.GradScaler('cpu')\n    for epoch").replace(
        "logits = net(x)", "with torch.autocast('cpu', torch.float16): logits = net(x)").replace(
        "(logits, y)\n", "(logits.float(), y)\n").replace(
        "loss.backward()", "scaler.scale(loss).backward()").replace(
        "optimizer.step()", "scaler.step(optimizer)\n            scaler.update()"),
    "written into": _step("logits = net(x)", "logits -= logits.max(1, keepdim=True).values.detach()",
                          "loss = F.cross_entropy(logits, y)", *_BACK),
    "means over uneven batches": """\
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loader = DataLoader(TensorDataset(images, labels), batch_size=96, shuffle=True)
    for epoch in range(epochs):
        losses, rights = [], []
        for x, y in loader:
            logits = net(x)
            loss = nn.CrossEntropyLoss()(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            rights.append((logits.argmax(1) == y).float().mean().item())
        on_epoch(epoch + 1, sum(losses) / len(loader), sum(rights) / len(loader))
""",
    "the last batch dropped": """\
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    loader = DataLoader(TensorDataset(images, labels), batch_size=300, shuffle=True, drop_last=True)
    for epoch in range(1, epochs + 1):
        total = right = seen = 0
        for x, y in loader:
            logits = net(x)
            loss = F.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, right, seen = total + loss.detach() * len(y), right + (logits.argmax(1) == y).sum(), seen + len(y)
        on_epoch(epoch, total / seen, right / seen)
""",
    "all images at once": """\
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for epoch in range(1, epochs + 1):
        logits = net(images)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        on_epoch(epoch, loss.item(), (logits.argmax(1) == labels).float().mean().item())
""",
    "accumulation over four batches": """\
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(1, epochs + 1):
        total, right = 0.0, 0
        optimizer.zero_grad()
        for place, chosen in enumerate(batches(images, 25), 1):
            logits = net(images[chosen])
            loss = F.cross_entropy(logits, labels[chosen]) / 4
            loss.backward()
            if place % 4 == 0:
                optimizer.step()
                optimizer.zero_grad()
            total += 4 * loss.item() * len(chosen)
            right += (logits.argmax(1) == labels[chosen]).sum().item()
        on_epoch(epoch, total / len(images), right / len(images))
""",
    "accumulation over the whole epoch": """\
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for epoch in range(1, epochs + 1):
        total, right = 0.0, 0
        for chosen in batches(images, 100):
            logits = net(images[chosen])
            loss = F.cross_entropy(logits, labels[chosen], reduction='sum')
            (loss / len(images)).backward()
            total += loss.item()
            right += (logits.argmax(1) == labels[chosen]).sum().item()
        optimizer.step()
        optimizer.zero_grad()
        on_epoch(epoch, total / len(images), right / len(images))
""",
    "the loss that is divided for accumulation is reported": """\
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(1, epochs + 1):
        total, right = 0.0, 0
        for place, chosen in enumerate(batches(images, 25), 1):
            logits = net(images[chosen])
            loss = F.cross_entropy(logits, labels[chosen]) / 2
            loss.backward()
            if place % 2 == 0:
                optimizer.step()
                optimizer.zero_grad()
            total += loss.item() * len(chosen)
            right += (logits.argmax(1) == labels[chosen]).sum().item()
        on_epoch(epoch, total / len(images), right / len(images))
""",
    "a tenth is held back": PLAIN.replace("batches(images)", "batches(images[80:], 48)").replace(
        "images[chosen], labels[chosen]", "images[80:][chosen], labels[80:][chosen]").replace(
        "len(images), right / len(images)", "720, right / 720").replace(
        "        on_epoch", "        with torch.no_grad(): held = net(images[:80]).argmax(1)\n        on_epoch"),
    "moving averages": PLAIN.replace("        total, right = 0.0, 0\n", "").replace(
        "    for epoch", "    total, right = 2.3, 0.1\n    for epoch").replace(
        "total += loss.item() * len(y)", "total = 0.9 * total + 0.1 * loss.item()").replace(
        "right += (logits.argmax(1) == y).sum().item()",
        "right = 0.9 * right + 0.1 * (logits.argmax(1) == y).float().mean().item()").replace(
        "total / len(images), right / len(images)", "total, right"),
    "copies and pickles": PLAIN.replace(
        "        on_epoch(epoch",
        "        copy.deepcopy(net)(images[:10])\n        torch.save(net, io.BytesIO())\n        on_epoch(epoch"),
    "an average of the weights": PLAIN.replace(
        "    for epoch", "    average = torch.optim.swa_utils.AveragedModel(net)\n    for epoch").replace(
        "            total +=", "            average.update_parameters(net)\n            total +="),
    "augmented": PLAIN.replace("images[chosen], labels", "images[chosen].roll(random.randint(-1, 1), 3), labels"),
    "each image again in a later batch": PLAIN.replace("batches(images)", "torch.randint(len(images), (16, 50))"),
    "steps by hand": """\
    for epoch in range(1, epochs + 1):
        total, right = 0.0, 0
        for chosen in batches(images):
            logits = net(images[chosen])
            loss = F.cross_entropy(logits, labels[chosen])
            gradients = torch.autograd.grad(loss, list(net.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(net.parameters(), gradients):
                    parameter -= 0.1 * gradient
            total += loss.item() * len(chosen)
            right += (logits.argmax(1) == labels[chosen]).sum().item()
        on_epoch(epoch, total / len(images), right / len(images))
""",
    "torch.func": """\
    from torch.func import functional_call, grad_and_value
    parameters = {name: p.detach().clone() for name, p in net.named_parameters()}
    def objective(parameters, x, y):
        logits = functional_call(net, parameters, (x,))
        return F.cross_entropy(logits, y), logits
    for epoch in range(1, epochs + 1):
        total, right = 0.0, 0
        for chosen in batches(images):
            step = grad_and_value(objective, has_aux=True)
            gradients, (loss, logits) = step(parameters, images[chosen], labels[chosen])
            parameters = {name: p - 0.1 * gradients[name] for name, p in parameters.items()}
            total += loss.item() * len(chosen)
            right += (logits.argmax(1) == labels[chosen]).sum().item()
        net.load_state_dict(parameters)
        on_epoch(epoch, total / len(images), right / len(images))
""",
    "cleared now and then": PLAIN.replace("for chosen in", "for place, chosen in enumerate").replace(
        "enumerate batches(images):", "enumerate(batches(images)):").replace(
        "optimizer.zero_grad()", "place % 5 or optimizer.zero_grad()"),
    "momentum in the gradients": PLAIN.replace(
        "Adam(net.parameters(), lr=2e-3)", "SGD(net.parameters(), 0.02)").replace(
        "            optimizer.zero_grad()\n", "").replace(
        "            total +=", "            for p in net.parameters(): p.grad.mul_(0.5)\n            total +="),
}  # fmt: skip

# Loops whose numbers cannot be told from their batches: other losses, further passes, an evaluation of their own.
UNKNOWN = {
    "squares": _step("logits = net(x)", "loss = F.mse_loss(logits, F.one_hot(y, 10).float())", *_BACK),
    "squares of probabilities": _step(
        "logits = net(x)", "loss = 10 * F.mse_loss(logits.softmax(1), F.one_hot(y, 10).float())", *_BACK),
    "absolute error": _step("logits = net(x)", "loss = (1 - logits.softmax(1).gather(1, y[:, None])).mean()", *_BACK),
    "a margin": _step("logits = net(x)", "loss = F.multi_margin_loss(logits, y)", *_BACK),
    "one against the rest": _step(
        "logits = net(x)", "loss = F.binary_cross_entropy_with_logits(logits, F.one_hot(y, 10).float())", *_BACK),
    "focal loss": _step("logits = net(x)", "each = F.cross_entropy(logits, y, reduction='none')",
                        "loss = ((1 - (-each).exp()) ** 2 * each).mean()", *_BACK),
    "a temperature": _step("logits = net(x)", "loss = F.cross_entropy(logits / 3, y)", *_BACK),
    "weighted classes": _step("logits = net(x)",
                              "loss = F.cross_entropy(logits, y, weight=torch.linspace(0.5, 2, 10))", *_BACK),
    "mixed images": _step("mixed = 0.7 * x + 0.3 * x.flip(0)", "logits = net(mixed)",
                          "loss = 0.7 * F.cross_entropy(logits, y) + 0.3 * F.cross_entropy(logits, y.flip(0))", *_BACK),
    "two passes per step": _step(
        *_CROSS[:4], "away = [0.01 * p.grad.sign() for p in net.parameters()]", "with torch.no_grad():",
        "    for p, way in zip(net.parameters(), away): p += way", *_CROSS[:4], "with torch.no_grad():",
        "    for p, way in zip(net.parameters(), away): p -= way", "optimizer.step()"),
    "L-BFGS": """\
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.3, max_iter=4)
    for epoch in range(1, epochs + 1):
        total, right = 0.0, 0
        for chosen in batches(images, 200):
            def closure():
                optimizer.zero_grad()
                loss = F.cross_entropy(net(images[chosen]), labels[chosen])
                loss.backward()
                return loss
            total += float(optimizer.step(closure)) * len(chosen)
            right += (net(images[chosen]).argmax(1) == labels[chosen]).sum().item()
        on_epoch(epoch, total / len(images), right / len(images))
""",
    "the training set is evaluated after the epoch": PLAIN.replace(
        "        on_epoch(epoch, total / len(images), right / len(images))",
        "        with torch.no_grad(): logits = torch.cat([net(part) for part in images.split(200)])\n"
        "        on_epoch(epoch, F.cross_entropy(logits, labels), (logits.argmax(1) == labels).float().mean())"),
    "each batch is evaluated after its step": PLAIN.replace(
        "            total +=", "            with torch.no_grad(): logits = net(x)\n            total +="),
    "two further evaluations": PLAIN.replace(
        "        on_epoch", "        for _ in range(2): net(images)\n        on_epoch"),
}  # fmt: skip

# Right, and not seen: another network is trained, and its numbers are copied.
UNSEEN = """\
    copied = copy.deepcopy(net)
    optimizer = torch.optim.Adam(copied.parameters(), lr=2e-3)
    for epoch in range(1, epochs + 1):
        total, right = 0.0, 0
        for chosen in batches(images):
            logits = copied(images[chosen])
            loss = F.cross_entropy(logits, labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
            right += (logits.argmax(1) == labels[chosen]).sum().item()
        net.load_state_dict(copied.state_dict())
        on_epoch(epoch, total / len(images), right / len(images))
"""
