"""Handwritten faults of deliverable 3, the ResNet. A new one is one entry in `MUTANTS`."""

from grader.selfcheck.catalogue.edits import several
from grader.selfcheck.mutant import Mutant
from grader.selfcheck.submissions.deliverable3 import NARROW_RESNET as NET

BLOCK = ("block.values", "resnet.values")
# Where a normalisation has parameters that nothing is computed with.
UNUSED = (*BLOCK, "resnet.batch_norm", "resnet.gradients")
# Where what the first normalisation sees is not what the first convolution gives.
FIRST_NORM = ("resnet.values", "resnet.batch_norm")
NOT_USED = ("are not used in it", "does not reach the logits")
HEAD = ("resnet.values", "resnet.embed")
# What cannot be judged where a parameter of the figure is missing.
NETWORK = ("resnet.parameters", "resnet.no_bias", *HEAD)
WHOLE = (*NETWORK, "block.shortcut", "block.values")

DOWN = "        self.down = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)\n"
DOWN_NORM = "        self.down_norm = nn.BatchNorm2d(out_channels)\n"
SHORTCUT = "self.down_norm(self.down(x))"
FIRST = "F.relu(self.norm1(self.conv1(x)))"
SECOND = "self.norm2(self.conv2(y))"
STEM = "F.relu(self.norm(self.conv(x)))"
POOLED = "F.avg_pool2d(x, 4).flatten(1)"
FORWARD = "    def forward(self, x, return_embed"
KAIMING = 'nn.init.kaiming_uniform_(m.weight, mode="fan_out", nonlinearity="relu")'
LINEAR = "nn.init.kaiming_normal_(m.weight)"


def _mode(training: bool) -> str:
    """A network that stays in one mode."""
    return f"    def train(self, mode=True):\n        return super().train({training})\n\n{FORWARD}"


BLOCK_FAULTS = (
    Mutant("shortcut without its convolution", NET, lost=WHOLE, hint="no convolution of 1×1",
           instead=several(NET, (DOWN, ""), (DOWN_NORM, ""),
                           (SHORTCUT, "F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))"))),
    Mutant("shortcut of 3×3", NET, "out_channels, 1, stride=stride,", "out_channels, 3, stride=stride, padding=1,",
           WHOLE, "kernels of 3×3"),
    Mutant("shortcut not added", NET, "F.relu(y + z)", "F.relu(y + 0 * z)",
           ("block.shortcut", *BLOCK, "resnet.gradients"), "the shortcut is not added", also=("is 0",)),
    Mutant("shortcut without normalisation", NET, SHORTCUT, "self.down(x)", (*UNUSED, "block.shortcut"),
           "the normalisation of the shortcut is missing", also=NOT_USED),
    Mutant("shortcut with a ReLU of its own", NET, SHORTCUT, f"F.relu({SHORTCUT})", BLOCK, "a ReLU of its own"),
    Mutant("shortcut averages before its convolution", NET,
           instead=several(NET, ("1, stride=stride, bias", "1, bias"),
                           (SHORTCUT, "self.down_norm(self.down(F.avg_pool2d(x, 2)))")),
           lost=("block.shortcut", *BLOCK)),
    Mutant("no ReLU after the sum", NET, "F.relu(y + z)", "y + z", ("block.shortcut", *BLOCK),
           "the ReLU after the sum is missing"),
    Mutant("ReLU before the sum and none after it", NET, "F.relu(y + z)", "F.relu(y) + F.relu(z)", BLOCK,
           "branch and shortcut each have a ReLU before the sum"),
    Mutant("ReLU of the branch before the sum", NET, SECOND, f"F.relu({SECOND})", BLOCK, "before the sum"),
    Mutant("no ReLU inside", NET, FIRST, "self.norm1(self.conv1(x))", BLOCK, "between the two convolutions is missing"),
    Mutant("ReLU before the normalisation", NET, FIRST, "self.norm1(F.relu(self.conv1(x)))", BLOCK,
           "comes before the normalisation"),
    Mutant("first normalisation forgotten", NET, FIRST, "F.relu(self.conv1(x))", UNUSED,
           "normalisation of the first convolution is missing", also=NOT_USED),
    Mutant("second normalisation forgotten", NET, SECOND, "self.conv2(y)", UNUSED,
           "normalisation of the second convolution is missing", also=NOT_USED),
    Mutant("one normalisation for both convolutions", NET, SECOND, "self.norm1(self.conv2(y))", UNUSED,
           "use the same normalisation", also=NOT_USED),
    Mutant("stride on the second convolution", NET, lost=BLOCK, hint="the second convolution has the stride",
           instead=several(NET, ("kernel_size, stride, 1, bias", "kernel_size, 1, 1, bias"),
                           ("kernel_size, padding=1", "kernel_size, stride, padding=1"))),
    Mutant("input changed in place", NET, "return F.relu(y + z)",
           "y = F.relu(y + z)\n        x.zero_()\n        return y", ("block.values", "resnet.gradients"),
           "something writes into the argument"),
)  # fmt: skip

NETWORK_FAULTS = (
    Mutant("bias in the second convolution", NET, "padding=1, bias=False", "padding=1", ("resnet.no_bias",),
           "stage1.conv2 lack bias=False"),
    Mutant("bias in the first convolution of the network", NET, "3, 1, 1, bias=False", "3, 1, 1", ("resnet.no_bias",),
           "the convolution conv lacks bias=False"),
    Mutant("bias in the shortcut", NET, "stride=stride, bias=False", "stride=stride", ("resnet.no_bias",),
           "stage1.down lack bias=False"),
    Mutant("another number of channels", NET, lost=NETWORK, hint="the first convolution has 4 output channels",
           instead=several(NET, ("nn.Conv2d(in_channels, 8, 3", "nn.Conv2d(in_channels, 4, 3"),
                           ("BatchNorm2d(8)", "BatchNorm2d(4)"), ("ResidualBlock(8,", "ResidualBlock(4,"))),
    Mutant("kernel of 5×5 in the first convolution", NET, "in_channels, 8, 3, 1, 1", "in_channels, 8, 5, 1, 2", NETWORK,
           "kernels of 5×5"),
    Mutant("linear layer without a bias", NET, lost=(*NETWORK, "init.linear_bias"), hint="the linear layer has no bias",
           instead=several(NET, ("nn.Linear(32, num_classes)", "nn.Linear(32, num_classes, bias=False)"),
                           ("        nn.init.constant_(m.bias, 0.01)\n", ""))),
    Mutant("a hidden linear layer too many", NET, "nn.Linear(32, num_classes)",
           "nn.Sequential(nn.Linear(32, 32), nn.Linear(32, num_classes))", NETWORK, "2 linear layers"),
    Mutant("a hundred classes", NET, "num_classes=10", "num_classes=100",
           (*NETWORK, "resnet.shape", "resnet.batch_norm", "resnet.gradients", "init.linear_bias"),
           "maps 32 numbers to 100"),
    Mutant("normalisations without running statistics", NET, "nn.BatchNorm2d(out_channels)",
           "nn.BatchNorm2d(out_channels, track_running_stats=False)", (*WHOLE, "resnet.batch_norm"),
           "3 normalisations keep no running statistics"),
    Mutant("frozen first convolution", NET, "        self.norm = nn.BatchNorm2d(8)\n",
           "        self.norm = nn.BatchNorm2d(8)\n        self.conv.requires_grad_(False)\n",
           ("resnet.parameters", "resnet.gradients"), "leave requires_grad", also=("requires_grad is False",)),
    Mutant("max-pooling at the end", NET, "F.avg_pool2d(x, 4)", "F.max_pool2d(x, 4)", HEAD, "max-pooled"),
    Mutant("sum in place of the average", NET, POOLED, "x.sum((2, 3))", HEAD, "added up"),
    Mutant("first place in place of the average", NET, POOLED, "x[:, :, 0, 0]", HEAD, "the first place"),
    Mutant("softmax at the end", NET, "self.fc(pooled)", "self.fc(pooled).softmax(1)", HEAD, "a softmax was added"),
    Mutant("log-softmax at the end", NET, "self.fc(pooled)", "self.fc(pooled).log_softmax(1)", HEAD,
           "a log-softmax was added"),
    Mutant("ReLU at the end", NET, "self.fc(pooled)", "self.fc(pooled).relu()", HEAD, "a ReLU was added"),
    Mutant("no ReLU after the first convolution", NET, STEM, "self.norm(self.conv(x))", ("resnet.values",),
           "the ReLU after the first convolution is missing"),
    Mutant("first convolution not normalised", NET, STEM, "F.relu(self.conv(x))",
           ("resnet.values", "resnet.batch_norm", "resnet.gradients"),
           "the normalisation of the first convolution is missing", also=NOT_USED),
    Mutant("first normalisation after the ReLU", NET, STEM, "self.norm(F.relu(self.conv(x)))", FIRST_NORM,
           "it belongs after it"),
    Mutant("images transposed", NET, STEM, STEM.replace("(x)", "(x.mT)"), FIRST_NORM, "the images are transposed"),
    Mutant("stride in the first convolution", NET, lost=(*FIRST_NORM, "resnet.embed"), hint="has a stride of 2",
           instead=several(NET, ("in_channels, 8, 3, 1, 1", "in_channels, 8, 3, 2, 1"), (POOLED, "x.mean((2, 3))"))),
    Mutant("max-pooling after the first convolution", NET, lost=HEAD, hint="max-pooling follows the first convolution",
           instead=several(NET, (STEM, f"F.max_pool2d({STEM}, 3, 2, 1)"), (POOLED, "x.mean((2, 3))"))),
    Mutant("augmentation at validation", NET, STEM, STEM.replace("(x)", "(x.flip(3) if torch.rand(()) < 0.5 else x)"),
           ("resnet.batch_norm",), "draw in training mode only", HEAD),
    Mutant("map after the pooling", NET, "return x, logits", "return pooled, logits", ("resnet.embed",),
           "the map after the pooling"),
    Mutant("map alone", NET, "return x, logits", "return x", ("resnet.embed",), "the map comes alone"),
    Mutant("logits alone", NET, "return x, logits", "return logits", ("resnet.embed",), "the logits come alone"),
    Mutant("another map than the pooled one", NET, "return x, logits", "return -x, logits", ("resnet.embed",)),
    Mutant("map before the last ReLU", NET, lost=("resnet.embed",), hint="before the last block's ReLU",
           instead=several(NET,
                           ("        return F.relu(y + z)",
                            "        self.sum = y + z\n        return F.relu(self.sum)"),
                           ("return x, logits", "return self.stage3.sum, logits"))),
    Mutant("map of the block before", NET, lost=("resnet.embed",), hint="an earlier layer",
           instead=several(NET, ("x = self.stage3(self.stage2(self.stage1(x)))",
                                 "before = self.stage2(self.stage1(x))\n        x = self.stage3(before)"),
                           ("return x, logits", "return before, logits"))),
)  # fmt: skip

TRAINING_FAULTS = (
    Mutant("statistics of the batch in evaluation", NET, FORWARD, _mode(True), ("resnet.batch_norm", "resnet.values"),
           "what it computes in training mode"),
    Mutant("running statistics in training", NET, FORWARD, _mode(False), ("resnet.batch_norm",),
           "stay in that"),
    Mutant("branch outside of autograd", NET, SECOND, f"{SECOND}.detach()", ("resnet.gradients",), "leaves autograd"),
    Mutant("logits outside of autograd", NET, "logits = self.fc(pooled)", "logits = self.fc(pooled.detach())",
           ("resnet.gradients",), "leaves autograd"),
    Mutant("dropout in every mode", NET, POOLED, f"F.dropout({POOLED}, 0.5)",
           ("resnet.batch_norm", *HEAD), "draw in training mode only"),
)  # fmt: skip

INITIALISATION_FAULTS = (
    Mutant("a gain of 1", NET, 'nonlinearity="relu"', 'nonlinearity="linear"', ("init.he",),
           "a gain of 1 and of fan_out"),
    Mutant("Xavier initialisation", NET, KAIMING, "nn.init.xavier_normal_(m.weight)", ("init.he",), "Xavier"),
    Mutant("convolutions never initialised", NET, KAIMING, "pass", ("init.he",), "never initialised"),
    Mutant("a copy initialised", NET, "(m.weight, mode", "(m.weight.clone(), mode", ("init.he",), "never initialised"),
    Mutant("standard deviation of 0.01", NET, KAIMING, "nn.init.normal_(m.weight, 0, 0.01)", ("init.he",), "0.01"),
    Mutant("standard normal weights", NET, KAIMING, "nn.init.normal_(m.weight)", ("init.he",), "standard normal"),
    Mutant("variance for standard deviation", NET, KAIMING, "nn.init.normal_(m.weight, 0, 2 / m.weight[0].numel())",
           ("init.he",), "the square of He's"),
    Mutant("a gain of 2", NET, KAIMING, "nn.init.normal_(m.weight, 0, 2 / m.weight[0].numel() ** 0.5)", ("init.he",),
           "a gain of 2"),
    Mutant("weights from 0 on", NET, KAIMING,
           "nn.init.uniform_(m.weight, 0, (6 / m.weight[0].numel()) ** 0.5)", ("init.he",), "no number is below 0"),
    Mutant("constant weights", NET, KAIMING, "nn.init.constant_(m.weight, 0.05)", ("init.he",),
           "all numbers of a weight are the same"),
    Mutant("linear layer as PyTorch begins", NET, f"        {LINEAR}\n", "", ("init.he",), "never initialised"),
    Mutant("the same numbers in every network", NET, "    if isinstance(m, nn.Conv2d):",
           "    torch.manual_seed(0)\n    if isinstance(m, nn.Conv2d):", ("init.he",), "a seed is set"),
    Mutant("linear bias as PyTorch begins", NET, "        nn.init.constant_(m.bias, 0.01)\n", "",
           ("init.linear_bias",)),
    Mutant("random linear bias", NET, "constant_(m.bias, 0.01)", "normal_(m.bias, 0, 0.01)", ("init.linear_bias",)),
    Mutant("large linear bias", NET, "m.bias, 0.01", "m.bias, 1.0", ("init.linear_bias",)),
)  # fmt: skip

MUTANTS = (*BLOCK_FAULTS, *NETWORK_FAULTS, *TRAINING_FAULTS, *INITIALISATION_FAULTS)
