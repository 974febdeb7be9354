"""Handwritten faults of EEE7331's networks and their layer tables, for each part."""

from grader.selfcheck.catalogue.edits import several
from grader.selfcheck.mutant import Base, Mutant
from grader.selfcheck.submissions.eee7331 import NETWORK_A, NETWORK_B

LAST = "return self.out(F.relu(self.fc(x.flatten(1))))"
ENDING = "return F.{}(self.out(F.relu(self.fc(x.flatten(1)))), 1)"
CONV1 = "nn.Conv2d(3, 32, 5, stride=1, padding=1)"
CONV2 = "nn.Conv2d(32, 64, 3, stride=1, padding=1)"
CONV3 = "nn.Conv2d(64, 128, 3, stride=1, padding=1)"
POOL = "nn.MaxPool2d(2, 2)"
OUT = "self.out = nn.Linear(500, 10)"


def _common(base: Base, part: str) -> tuple[Mutant, ...]:
    """Faults that both networks can have: what they share is written twice in the file, and changed in both."""
    values, gradients, shape = (f"part{part}.{name}" for name in ("values", "gradients", "shape"))
    shapes = (f"part{part}.parameters", values)
    return (
        Mutant("another padding of the first convolution", base, lost=shapes, hint="a padding of 2 in stage 1",
               instead=several(base, (CONV1, "nn.Conv2d(3, 32, 5, padding=2)"), ("1152", "2048"))),
        Mutant("pooling that rounds up", base, lost=shapes, hint="pooling that rounds up",
               instead=several(base, (POOL, "nn.MaxPool2d(2, 2, ceil_mode=True)"), ("1152", "2048"))),
        Mutant("a bias missing", base, CONV1, "nn.Conv2d(3, 32, 5, padding=1, bias=False)", shapes),
        Mutant("another kernel", base, lost=shapes,
               instead=several(base, (CONV1, "nn.Conv2d(3, 32, 3, padding=0)"))),
        Mutant("another width of the hidden layer", base, "500", "512", shapes),
        Mutant("no hidden layer", base, lost=shapes,
               instead=several(base, (LAST, "return self.out(x.flatten(1))"), (OUT, "self.out = nn.Linear(1152, 10)"),
                               ("        self.fc = nn.Linear(1152, 500)\n", ""))),
        Mutant("a hundred classes", base, OUT, "self.out = nn.Linear(500, 100)", (shape, *shapes, gradients)),
        Mutant("classes before the batch", base, LAST, f"{LAST}.T", (shape, values, gradients)),
        Mutant("a frozen bias", base, OUT, f"{OUT}\n        self.fc.bias.requires_grad_(False)",
               (f"part{part}.parameters", gradients)),
        Mutant("softmax at the end", base, LAST, ENDING.format("softmax"), (values,), "the softmax of the logits"),
        Mutant("log-softmax at the end", base, LAST, ENDING.format("log_softmax"), (values,),
               "the log_softmax of the logits"),
        Mutant("ReLU at the end", base, LAST, f"{LAST}.relu()", (values,), may=(gradients,)),
        Mutant("average-pooling", base, POOL, "nn.AvgPool2d(2, 2)", (values,), "average-pooling"),
        Mutant("no ReLU behind the first convolution", base, "F.relu(self.conv1(x))", "self.conv1(x)", (values,),
               "without that of Conv1-1"),
        Mutant("dropout in evaluation", base, "x.flatten(1)", "F.dropout(x.flatten(1), 0.5)", (values,),
               "dropout must rest"),
        Mutant("normalisation of each image", base, "F.relu(self.conv1(x))", "F.relu(F.instance_norm(self.conv1(x)))",
               (values,)),
        Mutant("rows and columns swapped", base, "x.flatten(1)", "x.mT.flatten(1)", (values,)),
        Mutant("the first convolution outside of autograd", base, "self.pool(F.relu(self.conv1(x)))",
               "self.pool(F.relu(self.conv1(x))).detach()", (gradients,)),
    )  # fmt: skip


def _tables(base: Base, part: str) -> tuple[Mutant, ...]:
    """Wrong cells; the rows that both tables have."""
    file = f"question1/part_{part.lower()}.csv"
    table = f"part{part}.table."
    totals = {"A": ("676294", "61470"), "B": ("595334", "71806")}[part]

    def cell(name: str, before: str, after: str, column: str) -> Mutant:
        return Mutant(name, base, before, after, (table + column,), file=file)

    return (
        cell("table: another stride", "32/5x5/1/1", "32/5x5/2/1", "settings"),
        cell("table: filters left out", "32/5x5/1/1", "5x5/1/1", "settings"),
        cell("table: a feature map rounded up", "7x7x64,0", "8x8x64,0", "feature_maps"),
        cell("table: a padding that keeps the size", "30x30x32", "32x32x32", "feature_maps"),
        cell("table: channels first", "15x15x32,0", "32x15x15,0", "feature_maps"),
        cell("table: weights without biases", "2432", "2400", "weights"),
        cell("table: weights of a pooling", "3x3x128,0,", "3x3x128,4,", "weights"),
        cell("table: an empty cell", "576500", "", "weights"),
        cell("table: neurons of one channel", ",28800", ",900", "neurons"),
        cell("table: weights in the neurons' place", "5010,10", "5010,5010", "neurons"),
        cell("table: a wrong sum of weights", totals[0], str(int(totals[0]) + 1), "totals"),
        cell("table: the input counted", totals[1], str(int(totals[1]) + 3072), "totals"),
        Mutant("no table", base, lost=tuple(table + name for name in TABLE), instead={file: None}),
    )


TABLE = ("settings", "feature_maps", "weights", "neurons", "totals")
SHAPES_A, SHAPES_B = ("partA.parameters", "partA.values"), ("partB.parameters", "partB.values")

PART_A = (
    *_common(NETWORK_A, "A"),
    *_tables(NETWORK_A, "A"),
    Mutant("another stride", NETWORK_A, lost=SHAPES_A, hint="a stride of 2 in stage 2",
           instead=several(NETWORK_A, (CONV2, "nn.Conv2d(32, 64, 3, stride=2, padding=1)"), ("1152", "512"))),
    Mutant("another number of channels", NETWORK_A, lost=SHAPES_A,
           instead=several(NETWORK_A, (CONV2, "nn.Conv2d(32, 48, 3, padding=1)"),
                           ("nn.Conv2d(64, 128", "nn.Conv2d(48, 128"))),
    Mutant("no padding in the last stage", NETWORK_A, lost=SHAPES_A, hint="no padding in stage 3",
           instead=several(NETWORK_A, (CONV3, "nn.Conv2d(64, 128, 3)"),
                           ("1152", "512"))),
    Mutant("a pooling missing", NETWORK_A, lost=SHAPES_A, hint="no pooling in stage 3",
           instead=several(NETWORK_A, ("self.pool(F.relu(self.conv3(x)))", "F.relu(self.conv3(x))"), ("1152", "6272"))),
    Mutant("two convolutions in place of three", NETWORK_A, lost=SHAPES_A, hint="takes 3,136 numbers",
           instead=several(NETWORK_A, ("        x = self.pool(F.relu(self.conv3(x)))\n", ""),
                           (f"        self.conv3 = {CONV3}\n", ""), ("1152", "3136"))),
    Mutant("no ReLU behind the second convolution", NETWORK_A, "F.relu(self.conv2(x))", "self.conv2(x)",
           ("partA.values",), "without that of Conv2-1"),
    Mutant("a convolution that is not used", NETWORK_A, "self.conv3(x)", "self.pool(x.repeat(1, 2, 2, 2))",
           ("partA.values", "partA.gradients")),
    Mutant("group normalisation", NETWORK_A, lost=("partA.values",),
           instead=several(NETWORK_A, ("self.conv2(x)", "self.norm(self.conv2(x))"),
                           ("        self.pool = ", "        self.norm = nn.GroupNorm(4, 64)\n        self.pool = "))),
    Mutant("average-pooling behind an output of zeros", NETWORK_A, OUT,
           f"{OUT}\n        nn.init.zeros_(self.out.weight)\n        self.pool = nn.AvgPool2d(2)",
           ("partA.values", "partA.gradients"), "average-pooling"),
    Mutant("depth-wise convolution in part A", NETWORK_A, CONV2, "nn.Conv2d(32, 64, 3, padding=1, groups=32)",
           SHAPES_A),
)  # fmt: skip

PART_B = (
    *_common(NETWORK_B, "B"),
    *_tables(NETWORK_B, "B"),
    Mutant("depth-wise convolution without groups", NETWORK_B, "nn.Conv2d(32, 32, 3, padding=1, groups=32)",
           "nn.Conv2d(32, 32, 3, padding=1)", SHAPES_B, "Conv2-dw is no depth-wise convolution"),
    Mutant("half the groups", NETWORK_B, "groups=64", "groups=32", SHAPES_B),
    Mutant("a point-wise convolution of 3×3", NETWORK_B, "nn.Conv2d(32, 64, 1)", "nn.Conv2d(32, 64, 3, padding=1)",
           SHAPES_B),
    Mutant("a depth-wise convolution that is not used", NETWORK_B, "self.point2(self.depth2(x))", "self.point2(x)",
           ("partB.values", "partB.gradients")),
    Mutant("point-wise before depth-wise", NETWORK_B, lost=SHAPES_B,
           instead=several(NETWORK_B, ("self.point2(self.depth2(x))", "self.depth2(self.point2(x))"),
                           ("nn.Conv2d(32, 32, 3, padding=1, groups=32)",
                            "nn.Conv2d(64, 64, 3, padding=1, groups=64)"))),
    Mutant("padding that repeats the other side", NETWORK_B, "nn.Conv2d(64, 64, 3, padding=1, groups=64)",
           "nn.Conv2d(64, 64, 3, padding=1, groups=64, padding_mode='circular')", ("partB.values",)),
    Mutant("point-wise without bias", NETWORK_B, "nn.Conv2d(32, 64, 1)", "nn.Conv2d(32, 64, 1, bias=False)", SHAPES_B),
    Mutant("no ReLU behind the last point-wise convolution", NETWORK_B, "F.relu(self.point3(self.depth3(x)))",
           "self.point3(self.depth3(x))", ("partB.values",), "without that of Conv3-pw"),
    Mutant("part A again", NETWORK_B, "class SeparableCNN(nn.Module):",
           "class SeparableCNN(CustomCNN):\n    pass\n\n\nclass Other(nn.Module):", SHAPES_B),
    Mutant("table: weights of a depth-wise convolution as of a dense one", NETWORK_B, "15x15x32,320", "15x15x32,9248",
           ("partB.table.weights",), file="question1/part_b.csv"),
    Mutant("table: a point-wise convolution's padding", NETWORK_B, "64/1x1/1/0", "64/1x1/1/1",
           ("partB.table.settings",), file="question1/part_b.csv"),
)  # fmt: skip
