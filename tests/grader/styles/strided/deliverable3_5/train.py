'''The map by one einsum for all images, enlarged by repeating every value; float64.'''
import numpy as np
import torch

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def cam(net, inputs, labels, idx):
    before = {name: module.training for name, module in net.named_modules()}
    net.eval()
    try:
        with torch.inference_mode():
            logits, features = net(inputs, True)
            maps = torch.einsum('nchw,nc->nhw', features, net.classify.weight[logits.argmax(-1)])
    finally:
        for name, module in net.named_modules():
            module.training = before[name]
    small = maps[idx].double().numpy()
    small = (small - small.min()) / (small.max() - small.min())
    large = np.kron(small, np.ones((8, 8)))
    pixels = inputs[idx].double().numpy().transpose(1, 2, 0) * STD + MEAN
    return large, (255 * pixels + 0.5).clip(0, 255).astype(np.uint8)
