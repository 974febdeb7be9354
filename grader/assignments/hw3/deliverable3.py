"""HW3 deliverable 3, a ResNet for images of 32×32 pixels: checks and points.

The network of Figure 3 is the dataclass in `grader.oracles.figure3`.
"""

from grader.checks import sources
from grader.checks.resnet import Network
from grader.checks.resnet_block import Block
from grader.checks.resnet_training import Training
from grader.declaration import Check, Deliverable
from grader.oracles.figure3 import Figure3
from grader.worker.forbid import Rules

# "Do not use pre-trained ResNet model provided in PyTorch": its network and its blocks are the
# exercise. Layers of torch.nn are allowed, so the dispatcher has nothing to refuse.
OWN_RESNET = Rules(sources=(r"torchvision\.models(\..*)?", r"torch\.hub(\..*)?", r"timm(\..*)?"))


def resnet(figure: Figure3 = Figure3()) -> Deliverable:
    """The deliverable for a network like Figure 3's.

    Args:
        figure: its layers.
    """
    block, network, training = Block(figure), Network(figure), Training(figure)
    return Deliverable(
        number=3,
        title="a ResNet in PyTorch",
        folder="deliverable3_5",
        files=("model",),
        judged="model",
        rules=OWN_RESNET,
        checks=(
            Check("block.shape", "ResidualBlock: the shapes of Figure 3's stages", 1, block.shape),
            Check(
                "block.shortcut",
                "ResidualBlock: without its branch, the activated shortcut",
                2,
                block.shortcut,
            ),
            Check("block.values", "ResidualBlock: computes Figure 3's block", 3, block.values),
            Check("resnet.shape", "MyResnet: (N, 3, 32, 32) → (N, 10)", 1, network.shape),
            Check("resnet.parameters", "MyResnet: Figure 3's parameters", 2, network.parameters),
            Check("resnet.no_bias", "MyResnet: no convolution has a bias", 1, network.no_bias),
            Check("resnet.values", "MyResnet: computes Figure 3", 3, network.values, seconds=40),
            Check(
                "resnet.embed", "MyResnet: return_embed adds the map that is pooled", 2, network.embed
            ),
            Check(
                "resnet.batch_norm",
                "MyResnet: statistics of the batch in training, running ones in evaluation",
                1,
                training.batch_norm,
            ),
            Check("resnet.gradients", "MyResnet: a gradient for every parameter", 1, training.gradients),
            Check("init.he", "init_weights_kaiming: He's variance in every layer", 2, training.he),
            Check(
                "init.linear_bias",
                "init_weights_kaiming: the linear bias is a small constant",
                1,
                training.linear_bias,
            ),
            Check(
                "deliverable3.sources", "model.py builds its own ResNet", 0, sources.own_work("model")
            ),
        ),
    )


DELIVERABLE_3 = resnet()
