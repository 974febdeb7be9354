"""Correct submissions to deliverable 5; each is a whole `train.py`."""

from grader.selfcheck.mutant import Base
from grader.selfcheck.submissions.deliverable3 import EXPLICIT, MODEL, narrow

# As a student writes it, for the model EXPLICIT.
PLAIN = '''\
import numpy as np
import torch
import torch.nn.functional as F

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def cam(net, inputs, labels, idx):
    was_training = net.training
    net.eval()
    with torch.no_grad():
        features, logits = net(inputs, return_embed=True)
        predicted = logits[idx].argmax()
        small = torch.einsum("c,chw->hw", net.fc.weight[predicted], features[idx])
    large = F.interpolate(small[None, None], size=(32, 32), mode="bilinear", align_corners=False)[0, 0]
    large = (large - large.min()) / (large.max() - large.min())
    img = (inputs[idx] * STD + MEAN) * 255
    img = img.round().clamp(0, 255).byte().permute(1, 2, 0)
    net.train(was_training)
    return large.numpy(), img.numpy()
'''

# As the paper's own code: numpy, rescaled first and to 8 bits, then enlarged; the pixels are cut off.
PAPER = '''\
import numpy as np
import torch
from scipy import ndimage
from model import MyResnet


def cam(net, inputs, labels, idx):
    mode = net.training
    net.eval()
    x, logits = net(inputs[[idx]], return_embed=True)
    net.train(mode)
    _, c, h, w = x.shape
    weights = net.fc.weight.data.cpu().numpy()
    small = weights[int(logits.softmax(1).argmax())].dot(x.detach().numpy().reshape(c, h * w)).reshape(h, w)
    small = small - np.min(small)
    small = np.uint8(255 * small / np.max(small))
    cam_img = ndimage.zoom(small.astype(float), 8, order=1) / 255
    picture = inputs[idx].numpy().transpose(1, 2, 0)
    picture = picture * np.array([0.229, 0.224, 0.225]) + np.array([0.485, 0.456, 0.406])
    return cam_img, (np.clip(picture, 0, 1) * 255).astype(np.uint8)
'''

# By a hook and Pillow, for the model BY_HAND, whose linear layer is a convolution.
HOOK = '''\
import numpy as np
import torch
from PIL import Image

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


class Evaluating:
    def __init__(self, net):
        self.net = net

    def __enter__(self):
        self.modes = [module.training for module in self.net.modules()]
        self.net.eval()

    def __exit__(self, *error):
        for module, mode in zip(self.net.modules(), self.modes):
            module.training = mode


@torch.no_grad()
def cam(net, inputs, labels, idx):
    kept = []
    hook = net.blocks[-1].register_forward_hook(lambda module, x, y: kept.append(y))
    with Evaluating(net):
        logits = net(inputs)
    hook.remove()
    weight = net.last.weight.flatten(1)[logits.argmax(1)[idx]]
    places = (kept[0][idx] * weight.view(-1, 1, 1)).mean(0).double()
    places = (places - places.min()) / (places.max() - places.min())
    large = Image.fromarray(places.float().numpy()).resize((32, 32), Image.Resampling.BICUBIC)
    large = torch.from_numpy(np.array(large)).clamp(0, 1)
    img = np.rint(255 * (inputs[idx].permute(1, 2, 0).numpy() * STD + MEAN))
    return large, img.astype("uint8")
'''

NARROW_CAM = Base("class maps", 5, {"deliverable3_5/train.py": PLAIN, MODEL: narrow(EXPLICIT)})
