import contextlib

import numpy as np
import torch
from PIL import Image


@contextlib.contextmanager
def evaluating(net):
    mode = net.training
    try:
        yield net.eval()
    finally:
        net.train(mode)


class Hook:
    def __init__(self, module):
        self.handle = module.register_forward_pre_hook(self.keep)

    def keep(self, module, arguments):
        (self.pooled,) = arguments

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.handle.remove()


@torch.no_grad()
def cam(net, inputs, labels, idx):
    with evaluating(net), Hook(net.last) as hook:
        logits, features = net(inputs, return_embed=True)
    assert torch.allclose(hook.pooled, features.mean((2, 3)), atol=1e-4, rtol=1e-3)
    weights = net.last.weight[logits[idx].argmax()]
    places = sum(weight * plane for weight, plane in zip(weights, features[idx]))
    picture = Image.fromarray(places.numpy()).resize((32, 32), Image.BILINEAR)
    large = np.asarray(picture)
    large = (large - large.min()) / (large.max() - large.min())
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    image = inputs[idx].permute(1, 2, 0).numpy() * std + mean
    return large, np.rint(image * 255).astype("uint8")
