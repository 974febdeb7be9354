"""The map by a matrix product in numpy, enlarged by scipy's zoom with splines, then rescaled."""
import numpy as np
import torch
from scipy.ndimage import zoom


def cam(net, inputs, labels, idx):
    training = net.training
    net.eval()
    with torch.no_grad():
        logits, embed = net(inputs[idx : idx + 1], return_embed=True)
    net.train(training)
    chosen = torch.max(logits, 1)[1].item()
    weights = net.end[-1].weight.detach().numpy()[chosen]
    maps = embed[0].numpy()
    heat = (weights @ maps.reshape(len(maps), -1)).reshape(maps.shape[1:])
    heat = zoom(heat, 8, order=1)
    heat = (heat - heat.min()) / np.ptp(heat)
    image = inputs[idx].numpy() * np.array([[[0.229]], [[0.224]], [[0.225]]]) + np.array([[[0.485]], [[0.456]], [[0.406]]])
    return heat, np.uint8(np.round(np.clip(image, 0, 1) * 255)).transpose(1, 2, 0)
