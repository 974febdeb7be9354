"""Handwritten faults of deliverable 2, the CNN and its training. A new one is one entry in `MUTANTS`."""

from grader.selfcheck.catalogue.edits import several
from grader.selfcheck.mutant import Mutant
from grader.selfcheck.submissions.deliverable2 import CNN

SHAPES = ("net.parameters", "net.values")
LEARNT = ("training.loss", "training.accuracy")
OBSERVED = ("training.passes", "training.cleared", "training.logits", "training.reports")
TRAINING = ("training.runs", *OBSERVED, *LEARNT)

FIRST = "self.pool(torch.relu(self.conv1(x)))"
SECOND = "self.pool(torch.relu(self.conv2(x)))"
LAST = "self.fc2(torch.relu(self.fc1(x.flatten(1))))"
LOSS = "nn.functional.cross_entropy(logits, labels[index])"
REPORT = "on_epoch(epoch, total / len(images), correct / len(images))"
STEP = "            optimizer.step()\n"
CLEAR = "            optimizer.zero_grad()\n"
BEGIN = "        total, correct = 0.0, 0\n"
LOOP = "    for epoch in"
NUMBERS = "total / len(images), correct / len(images)"
REPORTS = ("training.reports",)

SEED_FAULTS = (
    Mutant("torch not seeded", CNN, "    torch.manual_seed(seed)\n", "", ("seed.repeatable",),
           "torch.manual_seed(seed)"),
    Mutant("numpy not seeded", CNN, "    np.random.seed(seed)\n", "", ("seed.repeatable",), "numpy.random.seed(seed)"),
    Mutant("random not seeded", CNN, "    random.seed(seed)\n", "", ("seed.repeatable",), "lacks random.seed(seed)"),
    Mutant("constant seed", CNN, "torch.manual_seed(seed)", "torch.manual_seed(0)", ("seed.repeatable",),
           "torch.manual_seed is given a constant"),
    Mutant("numpy seeded in torch's place", CNN, "torch.manual_seed(seed)", "np.random.seed(seed)",
           ("seed.repeatable",),
           "torch.manual_seed(seed)"),
)  # fmt: skip

NET_FAULTS = (
    Mutant("no ReLU after the first convolution", CNN, FIRST, "self.pool(self.conv1(x))", ("net.values",),
           "without that of"),
    Mutant("no ReLU after the second convolution", CNN, SECOND, "self.pool(self.conv2(x))", ("net.values",),
           "without that of"),
    Mutant("no ReLU between the linear layers", CNN, LAST, "self.fc2(self.fc1(x.flatten(1)))", ("net.values",)),
    Mutant("softmax at the end", CNN, LAST, f"{LAST}.softmax(1)", ("net.values",), "the softmax of the logits"),
    Mutant("log-softmax at the end", CNN, LAST, f"{LAST}.log_softmax(1)", ("net.values",),
           "the log_softmax of the logits"),
    Mutant("ReLU at the end", CNN, LAST, f"{LAST}.relu()", ("net.values",), may=LEARNT),
    Mutant("map transposed before the linear layers", CNN, "x.flatten(1)", "x.mT.flatten(1)", ("net.values",)),
    Mutant("dropout in evaluation", CNN, "x.flatten(1)", "nn.functional.dropout(x.flatten(1))", ("net.values",),
           "the same images give other logits"),
    Mutant("convolutions without bias", CNN, "1, 1, True)", "1, 1, False)", SHAPES),
    Mutant("another width of the hidden layer", CNN, "128", "100", SHAPES),
    Mutant("another number of channels", CNN, lost=SHAPES,
           instead=several(CNN, ("MyConv2D(1, 3, 3,", "MyConv2D(1, 4, 3,"), ("MyConv2D(3, 6", "MyConv2D(4, 6"))),
    Mutant("convolutions without padding", CNN, lost=SHAPES, hint="takes 150 numbers",
           instead=several(CNN, ("3, 1, 1, True", "3, 1, 0, True"), ("294", "150"))),
    Mutant("a single pooling", CNN, lost=SHAPES, hint="no pooling in stage 2",
           instead=several(CNN, (SECOND, "torch.relu(self.conv2(x))"), ("294", "1176"))),
    Mutant("frozen first layer", CNN, "        self.pool =",
           "        self.conv1.requires_grad_(False)\n        self.pool =",
           SHAPES),
    Mutant("second convolution outside of autograd", CNN, FIRST, f"{FIRST}.detach()", ("net.values",)),
    Mutant("torch's own convolution", CNN, "self.conv1 = MyConv2D(1, 3, 3, 1, 1, True)",
           "self.conv1 = nn.Conv2d(1, 3, 3, 1, 1)",
           ("net.values", "net.shape", *TRAINING, "deliverable2.sources")),
    Mutant("classes before the batch", CNN, LAST, f"{LAST}.T", ("net.shape", "net.values", *TRAINING)),
)  # fmt: skip

REPORT_FAULTS = (
    Mutant("on_epoch never called", CNN, f"        {REPORT}\n", "", TRAINING, "never called"),
    Mutant("on_epoch after every batch", CNN, lost=("training.runs", *OBSERVED), may=LEARNT,
           instead=several(CNN, (f"        {REPORT}", f"            {REPORT}"))),
    Mutant("epochs from 0", CNN, "on_epoch(epoch, total", "on_epoch(epoch - 1, total", ("training.runs",),
           "epochs count from 1"),
    Mutant("one epoch too few", CNN, "range(1, epochs + 1)", "range(1, epochs)", ("training.runs",),
           "the loop ends after 4"),
    Mutant("accuracy in percent", CNN, "correct / len(images)", "100 * correct / len(images)", ("training.reports",),
           "in percent"),
    Mutant("number of right images", CNN, "correct / len(images)", "correct", ("training.reports",),
           "the number of images"),
    Mutant("loss and accuracy swapped", CNN, REPORT, "on_epoch(epoch, correct / len(images), total / len(images))",
           REPORTS, "in each other's place"),
    Mutant("loss that is not a number", CNN, "total / len(images)", "float('nan')", REPORTS),
    Mutant("loss of the last batch", CNN, "total / len(images)", "loss.item()", REPORTS, "of the last batch"),
    Mutant("loss added up over the images", CNN, "total / len(images)", "total", REPORTS,
           "divide by the number of images"),
    Mutant("loss added up over the batches", CNN, lost=REPORTS, hint="divide by the number of batches, len(loader)",
           instead=several(CNN, ("loss.item() * len(index)", "loss.item()"), ("total / len(images)", "total"))),
    Mutant("images' losses divided by the batches", CNN, "total / len(images)", "total / (len(images) // 100)", REPORTS,
           "added up and divided by the number of batches"),
    Mutant("batches' losses divided by the images", CNN, "loss.item() * len(index)", "loss.item()", REPORTS,
           "added up and divided by the number of images"),
    Mutant("sums begin once", CNN, lost=REPORTS, hint="the sums of earlier epochs",
           instead=several(CNN, (BEGIN, ""), (LOOP, f"{BEGIN[4:]}{LOOP}"))),
    Mutant("the loss's sum begins once", CNN, lost=REPORTS, hint="the sums of earlier epochs",
           instead=several(CNN, ("total, correct = 0.0, 0", "correct = 0"),
                           (LOOP, f"    total = 0.0\n{LOOP}"))),
    Mutant("numbers of the epoch before", CNN, lost=REPORTS, hint="of the epoch before",
           instead=several(CNN, (LOOP, f"    before = 1.0, 0.0\n{LOOP}"),
                           (REPORT, f"on_epoch(epoch, *before)\n        before = {NUMBERS}"))),
    Mutant("numbers of the first epoch", CNN, lost=REPORTS, hint="of the first epoch",
           instead=several(CNN, (REPORT, f"first = first if epoch > 1 else ({NUMBERS})\n"
                                         "        on_epoch(epoch, *first)"))),
    Mutant("accuracy of the last batch", CNN, "correct / len(images)",
           "(logits.argmax(1) == labels[index]).float().mean()", REPORTS, "of the last batch"),
    Mutant("accuracy divided by another number", CNN, "correct / len(images)", "correct / 60000", REPORTS,
           "by the number of images in the epoch"),
    Mutant("accuracy of images that were held back", CNN, lost=REPORTS, hint="evaluated apart",
           instead=several(CNN, ("torch.randperm(len(images)).split", "torch.randperm(len(images) - 80).split"),
                           ("correct / len(images)", "(net(images[-80:]).argmax(1) == labels[-80:]).float().mean()"))),
)  # fmt: skip

# A training's outcome is measured after it, and blots are learnt in spite of much: what happens on the way is seen.
LOOP_FAULTS = (
    Mutant("no step", CNN, STEP, "", LEARNT, "the network is the same after every epoch"),
    Mutant("optimiser of another network", CNN, "Adam(net.parameters()", "Adam(Net().parameters()", LEARNT,
           "the network is the same after every epoch"),
    Mutant("gradients cleared before the step", CNN, STEP, f"            optimizer.zero_grad()\n{STEP}", LEARNT,
           "the network is the same after every epoch"),
    Mutant("sign of the loss", CNN, LOSS, f"-{LOSS}", LEARNT, "your loss is negative"),
    Mutant("learning rate of 1", CNN, "lr=3e-3", "lr=1.0", ("training.accuracy",),
           may=("training.loss", "training.runs", *OBSERVED)),
    Mutant("labels of other images", CNN, "labels[index]", "labels[index.flip(0)]", ("training.accuracy",),
           may=("training.loss",)),
    Mutant("trained on noise", CNN, "net(images[index])", "net(torch.randn_like(images[index]))",
           ("training.accuracy",),
           may=("training.loss",)),
    Mutant("gradients never cleared", CNN, CLEAR, "", ("training.cleared",), "optimizer.zero_grad()", may=LEARNT),
    Mutant("gradients cleared before the first step alone", CNN, lost=("training.cleared",), hint="in every step",
           may=LEARNT, instead=several(CNN, (CLEAR, ""), (LOOP, f"    net.zero_grad()\n{LOOP}"))),
    Mutant("gradients cleared once per epoch", CNN, lost=("training.cleared",), hint="in every step", may=LEARNT,
           instead=several(CNN, (CLEAR, ""), (BEGIN, f"        optimizer.zero_grad()\n{BEGIN}"))),
    Mutant("an epoch of two batches", CNN, "split(100)", "split(100)[:2]", ("training.passes",), "ends after 2 batches",
           may=LEARNT),
    Mutant("an epoch of one batch", CNN, f"        {REPORT}", f"            break\n        {REPORT}",
           ("training.passes",), "ends after one batch", may=LEARNT),
    Mutant("half of the images", CNN, "torch.randperm(len(images))", "torch.randperm(len(images))[::2]",
           ("training.passes",), may=LEARNT),
    Mutant("softmax before the loss", CNN, LOSS, LOSS.replace("(logits", "(logits.softmax(1)"), ("training.logits",),
           "give them the logits", may=LEARNT),
    Mutant("softmax before the loss's log_softmax", CNN, LOSS,
           "nn.functional.nll_loss(torch.softmax(logits, 1).log_softmax(1), labels[index])", ("training.logits",),
           "give them the logits", may=LEARNT),
    Mutant("reports without a training", CNN, "torch.randperm(len(images)).split(100)", "()",
           (*OBSERVED, *LEARNT), "", also=("the network is the same after every epoch",)),
    Mutant("trains a copy", CNN, "    optimizer = ", "    net = __import__('copy').deepcopy(net)\n    optimizer = ",
           (*LEARNT, *OBSERVED), "the network is the same after every epoch"),
    Mutant("train raises", CNN, LOSS, LOSS.replace("labels[index]", "labels[index].float()"), TRAINING),
)  # fmt: skip

MUTANTS = (*SEED_FAULTS, *NET_FAULTS, *REPORT_FAULTS, *LOOP_FAULTS)
