"""Deliverable 3 graded: right networks of any style keep their points, each fault loses its own."""

import re
from pathlib import Path

import pytest
from rich.console import Console

from grader.assignments.hw3 import HW3
from grader.assignments.hw3.deliverable3 import resnet
from grader.declaration import Assignment
from grader.oracles.figure3 import Figure3
from grader.progress import Progress
from grader.result import Result
from grader.runner import REFERENCE, Options, grade
from grader.worker import Worker
from tests.grader.submissions.resnets import BY_HAND, EXPLICIT

# A figure of the same form, so narrow that a grade takes a second.
NARROW = Assignment(
    "hw3", "narrow", (resnet(Figure3(stem=8, blocks=((16, 2), (24, 2), (32, 2)))),)
)
NARROWER = {"64": "8", "128": "16", "256": "24", "512": "32"}

STUDENT = REFERENCE.parent / "student"


@pytest.fixture(scope="module")
def worker():
    with Worker(threads=2) as worker:
        yield worker


@pytest.fixture
def graded(worker):
    """Grades deliverable 3 of a folder."""

    def graded(folder: Path, assignment: Assignment = HW3) -> Result:
        with Progress(Console(quiet=True)) as progress:
            return grade(assignment, str(folder), Options(deliverables=(3,), seed=1), worker, progress)

    return graded


@pytest.fixture
def hand_in(tmp_path, graded):
    """Grades a submission with this `model.py`."""

    def hand_in(text: str, assignment: Assignment = HW3) -> Result:
        place = tmp_path / "alice" / "deliverable3-5"
        place.mkdir(parents=True)
        (place / "model.py").write_text(text)
        return graded(tmp_path / "alice", assignment)

    return hand_in


def lost(result: Result) -> set[str]:
    return {c.id for c in result.deliverables[0].checks if c.verdict != "pass"}


def reasons(result: Result) -> dict[str, str]:
    return {check.id: check.reason for check in result.deliverables[0].checks}


def narrow(text: str) -> str:
    """The same text about the narrow figure."""
    return re.sub(r"\b(64|128|256|512)\b", lambda match: NARROWER[match[0]], text)


def test_deliverable_3_is_worth_twenty_points():
    assert sum(check.points for check in HW3.deliverable(3).checks) == 20


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="a hand-out has no reference")
def test_the_reference_gets_everything(graded):
    result = graded(REFERENCE)
    assert result.passed, reasons(result)
    assert result.earned == 20


@pytest.mark.skipif(not STUDENT.is_dir(), reason="a hand-out has no student/")
def test_the_stub_earns_nothing_and_says_what_is_missing(graded):
    result = graded(STUDENT)
    assert result.earned == 0
    for check in result.deliverables[0].checks:
        if check.points:
            assert "NotImplementedError: hw3 deliverable 3: " in check.reason, check.id


@pytest.mark.parametrize("text", [EXPLICIT, BY_HAND], ids=["explicit", "by-hand"])
def test_a_right_network_of_another_style_gets_everything(hand_in, text):
    result = hand_in(text)
    assert lost(result) == set(), reasons(result)


# (what is replaced in EXPLICIT, by what, what is lost by it and nothing else, what the reason says)
FAULTS = {
    "a bias in a convolution": (
        [("padding=1, bias=False", "padding=1")],
        {"resnet.no_bias"},
        "bias=False",
    ),
    "a shortcut without convolution": (
        [
            ("        self.down = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)\n", ""),
            ("        self.down_norm = nn.BatchNorm2d(out_channels)\n", ""),
            ("self.down_norm(self.down(x))", "F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))"),
        ],
        {"block.shortcut", "block.values", "resnet.parameters", "resnet.no_bias", "resnet.values", "resnet.embed"},
        "1, 1)",
    ),
    "a shortcut that is not added": (
        [("F.relu(y + z)", "F.relu(y + 0 * z)")],
        {"block.shortcut", "block.values", "resnet.values", "resnet.gradients"},
        "the shortcut is not added",
    ),
    "no ReLU after the sum": (
        [("F.relu(y + z)", "y + z")],
        {"block.shortcut", "block.values", "resnet.values"},
        "the ReLU after the sum is missing",
    ),
    "a ReLU before the sum": (
        [("F.relu(y + z)", "F.relu(y) + F.relu(z)")],
        {"block.values", "resnet.values"},
        "branch and shortcut each have a ReLU before the sum",
    ),
    "no ReLU inside": (
        [("F.relu(self.norm1(self.conv1(x)))", "self.norm1(self.conv1(x))")],
        {"block.values", "resnet.values"},
        "between the two convolutions",
    ),
    "the stride in the wrong place": (
        [("kernel_size, stride, 1, bias", "kernel_size, 1, 1, bias"), ("kernel_size, padding=1", "kernel_size, stride, padding=1")],
        {"block.values", "resnet.values"},
        "the second convolution has the stride",
    ),
    "another number of channels": (
        [("nn.Conv2d(in_channels, 64, 3", "nn.Conv2d(in_channels, 32, 3"), ("BatchNorm2d(64)", "BatchNorm2d(32)"), ("ResidualBlock(64,", "ResidualBlock(32,")],
        {"resnet.parameters", "resnet.no_bias", "resnet.values", "resnet.embed"},
        "no parameter of shape (64, 3, 3, 3)",
    ),
    "max-pooling at the end": (
        [("F.avg_pool2d(x, 4)", "F.max_pool2d(x, 4)")],
        {"resnet.values", "resnet.embed"},
        "max-pooled",
    ),
    "a softmax at the end": (
        [("self.fc(pooled)", "self.fc(pooled).softmax(1)")],
        {"resnet.values", "resnet.embed"},
        "a softmax was added",
    ),
    "no ReLU after the first convolution": (
        [("F.relu(self.norm(self.conv(x)))", "self.norm(self.conv(x))")],
        {"resnet.values"},
        "first convolution",
    ),
    "the map after the pooling": (
        [("return x, logits", "return pooled, logits")],
        {"resnet.embed"},
        "before the pooling, (4, 512, 4, 4)",
    ),
    "the map alone": ([("return x, logits", "return x")], {"resnet.embed"}, "returned (4, 512, 4, 4)"),
    "another map than the pooled one": (
        [("return x, logits", "return -x, logits")],
        {"resnet.embed"},
        "the very map that is pooled",
    ),
    "statistics of the batch in evaluation": (
        [("    def forward(self, x, return_embed", "    def train(self, mode=True):\n        return super().train(True)\n\n    def forward(self, x, return_embed")],
        {"resnet.values", "resnet.batch_norm"},
        "depend on the images beside it",
    ),
    "running statistics in training": (
        [("    def forward(self, x, return_embed", "    def train(self, mode=True):\n        return super().train(False)\n\n    def forward(self, x, return_embed")],
        {"resnet.batch_norm"},
        "as it was",
    ),
    "a branch outside of autograd": (
        [("self.norm2(self.conv2(y))", "self.norm2(self.conv2(y)).detach()")],
        {"resnet.gradients"},
        "no gradient reaches",
    ),
    "a gain of 1": ([('nonlinearity="relu"', 'nonlinearity="linear"')], {"init.he"}, "a gain of √2"),
    "torch's own initialisation of the linear layer": (
        [("        nn.init.kaiming_normal_(m.weight)\n", "")],
        {"init.he"},
        "fc.weight (10, 512)",
    ),
    "a linear bias left as it was": (
        [("        nn.init.constant_(m.bias, 0.01)\n", "")],
        {"init.linear_bias"},
        "expected a constant",
    ),
    "a large linear bias": ([("m.bias, 0.01", "m.bias, 1.0")], {"init.linear_bias"}, "such as 0.01"),
    "the same numbers in every network": (
        [("    if isinstance(m, nn.Conv2d):", "    torch.manual_seed(0)\n    if isinstance(m, nn.Conv2d):")],
        {"init.he"},
        "begin with the same numbers",
    ),
    "torchvision's block": (
        [("def init_weights", "def unused():\n    from torchvision.models.resnet import BasicBlock\n    return BasicBlock\n\n\ndef init_weights")],
        {"deliverable3.sources"},
        "torchvision.models.resnet",
    ),
}  # fmt: skip


def test_the_narrow_figure_is_judged_by_its_own_numbers(hand_in):
    result = hand_in(narrow(EXPLICIT), NARROW)
    assert lost(result) == set(), reasons(result)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_single_fault_loses_the_checks_that_name_it(hand_in, fault):
    replacements, faults, said = FAULTS[fault]
    text = EXPLICIT
    for before, after in replacements:
        assert before in text
        text = text.replace(before, after)
    result = hand_in(narrow(text), NARROW)
    assert lost(result) == faults, reasons(result)
    assert any(narrow(said) in reasons(result)[id] for id in faults), reasons(result)
