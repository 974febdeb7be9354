"""HW3 graded end to end: honest work keeps its points, each fault loses exactly its own."""

import secrets

import psutil
import pytest
from rich.console import Console

from data_scripts import Dataset
from grader import runner
from grader.assignments.hw3 import HW3
from grader.progress import Progress
from grader.result import Result
from grader.runner import Options, grade
from grader.worker import Worker
from tests.grader.submissions import TRAIN, UNFOLD

LOOP = TRAIN.replace(".split(100)", ".split(20)")  # on few images as many steps as it takes to learn them


def ids(prefix: str) -> set[str]:
    checks = {check.id for run in HW3.deliverables for check in run.checks}
    return {id for id in checks if id.startswith(prefix)}


@pytest.fixture(scope="module")
def worker():
    # Two threads wait for each other at every small step, and for long where other work wants the cores.
    with Worker(threads=1) as worker:
        yield worker


@pytest.fixture
def hand_in(tmp_path, monkeypatch, worker):
    """Grades a submission made of these texts, on fewer drawn cases than a grade has."""
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", 6)

    def graded(deliverables=(1,), folder="alice", swaps=None, **files: str) -> Result:
        place = tmp_path / folder / "deliverable1-2"
        place.mkdir(parents=True)
        for name, text in files.items():
            (place / f"{name}.py").write_text(text)
        options = Options(deliverables=deliverables, swaps=swaps or {}, seed=1, data="synthetic")
        with Progress(Console(quiet=True)) as progress:
            return grade(HW3, str(tmp_path / folder), options, worker, progress)

    return graded


@pytest.fixture
def small_data(monkeypatch, standin_of_tiny_digits):
    """Deliverable 2 on a few images, so that a training takes half a second."""
    monkeypatch.setattr(runner, "load", lambda *args, **kwargs: standin_of_tiny_digits)


@pytest.fixture(scope="session")
def standin_of_tiny_digits() -> Dataset:
    """160 training and 100 validation images of ten very different blots."""
    import numpy as np

    random = np.random.default_rng(0)

    def images(count: int):
        labels = np.arange(count) % 10
        noise = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
        for image, label in zip(noise, labels, strict=True):
            row, column = divmod(int(label), 4)
            image[2 + 8 * row : 9 + 8 * row, 7 * column : 7 * column + 6] = 255
        return noise, labels.astype(np.uint8)

    train, test = images(160), images(100)
    names = tuple(str(digit) for digit in range(10))
    return Dataset("mnist", "synthetic", "blots", *train, *test, names, "0" * 64)


def verdicts(result: Result, deliverable: int = 1) -> dict[str, str]:
    graded = [run for run in result.counted if run.number == deliverable]
    return {check.id: check.verdict for check in graded[0].checks}


def lost(result: Result, deliverable: int = 1) -> set[str]:
    return {id for id, verdict in verdicts(result, deliverable).items() if verdict != "pass"}


def reason(result: Result, id: str) -> str:
    return next(
        check.reason for run in result.deliverables for check in run.checks if check.id == id
    )


def test_a_correct_solution_in_plain_pytorch_gets_everything(hand_in):
    result = hand_in(mytorch=UNFOLD)
    assert lost(result) == set()
    assert result.earned == result.points > 0
    assert result.passed


def test_every_declared_check_has_exactly_one_verdict(hand_in):
    result = hand_in(mytorch="x = 1\n")
    assert [check.id for check in result.deliverables[0].checks] == [
        check.id for check in HW3.deliverable(1).checks
    ]
    assert result.earned == 0


GRADIENTS = {"conv2d.input_gradient", "conv2d.weight_gradient", "conv2d.bias_gradient"}
LAYERS = {"Conv2D.values", "Conv2D.gradients"}
TOGETHER = {"conv2d.together"} | LAYERS


@pytest.mark.parametrize(
    ("before", "after", "named", "follow"),
    [
        # What a fault must lose, and what it may lose besides because it rests on it.
        ("(padding, padding, padding, padding)", "(0, 0, 0, 0)",
         {"conv2d.padding"}, TOGETHER | GRADIENTS),
        ("unfold(2, kh, stride).unfold(3, kw, stride)", "unfold(2, kh, 1).unfold(3, kw, 1)",
         {"conv2d.stride"}, TOGETHER | GRADIENTS),
        ("unfold(2, kh, stride).unfold(3, kw, stride)", "unfold(2, kw, stride).unfold(3, kh, stride)",
         {"conv2d.rectangles"}, TOGETHER | GRADIENTS),
        ("output + bias", "output - bias", {"conv2d.bias", "conv2d.bias_gradient"}, TOGETHER),
        ("windows, weight)\n", "windows, weight.detach())\n",
         {"conv2d.weight_gradient"}, LAYERS),
        ("padded = F.pad(input", "padded = F.pad(input.detach()", {"conv2d.input_gradient"}, LAYERS),
        ("stride or kernel_size", "stride or 1",
         {"maxpool.values", "maxpool.odd_sizes"}, {"maxpool.gradient", "maxpool.negative"}),
        ("stride or kernel_size", "kernel_size", {"maxpool.stride"}, ids("maxpool.")),
        ("torch.randn(out_channels", "torch.ones(out_channels", {"Conv2D.initialisation"}, set()),
        ("if bias else None", "", {"Conv2D.parameters"}, LAYERS),
        (".max(-1).values", ".clamp(min=0).max(-1).values",
         {"maxpool.negative"}, {"maxpool.values", "maxpool.stride", "maxpool.odd_sizes",
                                "maxpool.gradient"}),
        (".max(-1).values", ".max(-1).values.detach()", {"maxpool.gradient"}, set()),
        ("    padded = F.pad", "    input.mul_(1.5)\n    padded = F.pad",
         {"conv2d.values"}, ids("conv2d.") | LAYERS),
        ('"nchwij,ocij->nohw", windows, weight)',
         '"nchwij,ocij->nohw", windows.float(), weight.float()).to(input.dtype)',
         {"conv2d.dtype"}, GRADIENTS),
    ],
)  # fmt: skip
def test_a_single_fault_loses_the_checks_that_name_it(hand_in, before, after, named, follow):
    assert before in UNFOLD
    found = lost(hand_in(mytorch=UNFOLD.replace(before, after)))
    assert named <= found
    assert found <= named | follow


def test_a_failure_shows_a_reproducing_line_and_both_values(hand_in):
    text = reason(hand_in(mytorch=UNFOLD.replace("+ bias", "- bias")), "conv2d.bias")
    assert "expected" in text and "got" in text
    assert "MyFConv2D(torch.randn(1, 1, 1, 1), torch.randn(1, 1, 1, 1)" in text  # the simplest


def test_conv2d_through_getattr_loses_convolution_and_keeps_pooling(hand_in):
    cheat = UNFOLD.replace(
        "    n, c, h, w = input.shape\n",
        '    return getattr(F, "con" + "v2d")(input, weight, bias, stride, padding)\n',
    )
    result = hand_in(mytorch=cheat)
    assert ids("conv2d.") <= lost(result)
    assert not lost(result) & ids("maxpool.")
    assert verdicts(result)["conv2d.values"] == "invalid"
    text = reason(result, "conv2d.values")
    assert "aten::conv2d" in text
    assert "mytorch.py:7" in text


def test_a_forbidden_name_in_the_source_is_told_with_its_line(hand_in):
    text = UNFOLD + "\n\ndef unused(x, w):\n    return F.conv2d(x, w)\n"
    result = hand_in(mytorch=text)
    assert lost(result) == {"deliverable1.sources"}
    assert "conv2d" in reason(result, "deliverable1.sources")
    assert result.earned == result.points  # it never ran


def test_comparing_with_torch_under_main_is_no_offence(hand_in):
    text = UNFOLD + '\n\nif __name__ == "__main__":\n    print(F.conv2d, nn.MaxPool2d)\n'
    assert lost(hand_in(mytorch=text)) == set()


def test_an_endless_loop_at_import_costs_its_own_file_only(hand_in, monkeypatch, small_data):
    monkeypatch.setattr("grader.bench.IMPORT_SECONDS", 4.0)
    result = hand_in((1, 2), mytorch=UNFOLD, train="while True:\n    pass\n")
    assert lost(result, 1) == set()
    assert set(verdicts(result, 2).values()) <= {"timeout", "not-run", "pass"}
    assert verdicts(result, 2)["net.values"] == "timeout"
    assert "could not be imported" in reason(result, "net.values")
    assert sum(run.earned for run in result.counted if run.number == 2) == 0


def test_exit_zero_in_a_call_loses_that_handle_only(hand_in):
    text = UNFOLD.replace(
        "        k, s = self.kernel_size, self.stride\n",
        "        import os; os._exit(0)\n        k, s = self.kernel_size, self.stride\n",
    )
    result = hand_in(mytorch=text)
    assert lost(result) == ids("maxpool.")
    assert "exit" in reason(result, "maxpool.values")


def test_a_process_that_dies_while_a_wrong_case_is_shrunk_costs_no_other_check(hand_in):
    text = UNFOLD.replace(
        "    n, c, h, w = input.shape\n",
        "    n, c, h, w = input.shape\n"
        "    if stride > 1 and n == 1:\n        import os; os._exit(3)\n"
        "    if stride > 1:\n        input = -input\n",
    )
    result = hand_in(mytorch=text)
    assert verdicts(result)["conv2d.stride"] == "fail"
    # Every check that draws no stride above 1 keeps its points.
    assert not lost(result) & {"conv2d.padding", "conv2d.bias", "conv2d.dtype", "conv2d.edges"}
    assert not lost(result) & ids("maxpool.")


def test_exit_zero_at_import_earns_nothing(hand_in):
    result = hand_in(mytorch="import os\nos._exit(0)\n")
    assert result.earned == 0
    assert not result.passed


def test_a_missing_file_is_named(hand_in):
    result = hand_in((2,), mytorch=UNFOLD, train="")
    assert result.earned == 0
    text = reason(hand_in((1,), folder="bob", train=TRAIN), "conv2d.values")
    assert "mytorch.py is missing" in text


def test_deliverable_2_passes_on_the_students_own_layers(hand_in, small_data):
    result = hand_in((2,), mytorch=UNFOLD, train=LOOP)
    assert lost(result, 2) == set(), {id: reason(result, id) for id in lost(result, 2)}
    training = result.deliverables[0].training
    assert [epoch.epoch for epoch in training.epochs] == [1, 2, 3, 4, 5]
    assert result.data == "synthetic"


def test_broken_layers_are_graded_once_more_with_the_references(hand_in, small_data):
    broken = UNFOLD.replace("class MyMaxPool2D", "raise ValueError('not done')\n\n\nclass MyMaxPool2D")
    result = hand_in((1, 2), mytorch=broken, train=LOOP)
    own, swapped = [run for run in result.deliverables if run.number == 2]
    assert own.counted and own.earned == 0
    assert not swapped.counted
    assert swapped.swap == "deliverable1=reference"
    assert swapped.earned == swapped.points
    assert result.earned == 0


def test_an_explicit_swap_counts(hand_in, small_data):
    result = hand_in((2,), swaps={1: str(runner.REFERENCE)}, mytorch="broken", train=LOOP)
    (only,) = result.deliverables
    assert only.counted and only.swap == "deliverable1=reference"
    assert only.earned == only.points


def test_a_script_without_the_handle_is_told_so(hand_in, small_data):
    script = LOOP.replace("def train(net, images, labels, epochs, on_epoch):", "if __name__ == '__main__':")
    result = hand_in((2,), mytorch=UNFOLD, train=script)
    assert verdicts(result, 2)["training.runs"] == "fail"
    assert "no handle train(net, images, labels, epochs, on_epoch)" in reason(result, "training.runs")
    assert verdicts(result, 2)["training.accuracy"] == "not-run"


@pytest.mark.parametrize(
    ("before", "after", "fault", "said"),
    [
        ("self.fc2(torch.relu", "torch.softmax(self.fc2(torch.relu", "net.values", "softmax"),
        ("torch.relu(self.conv1(x))", "self.conv1(x)", "net.values", "ReLUs"),
        ("nn.Linear(294, 128)", "nn.Linear(294, 100)", "net.parameters", "no parameter of shape"),
        ("    np.random.seed(seed)\n", "", "seed.repeatable", "numpy"),
        ("on_epoch(epoch, total", "on_epoch(epoch - 1, total", "training.runs", "once after each"),
        ("            optimizer.step()\n", "", "training.accuracy", "90% asked for"),
        ("on_epoch(epoch, total / len(images)", "on_epoch(epoch, float('nan')", "training.reports", "finite"),
    ],
)  # fmt: skip
def test_a_fault_of_deliverable_2_is_named(
    hand_in, small_data, monkeypatch, tmp_path, before, after, fault, said
):
    monkeypatch.setattr(runner, "REFERENCE", tmp_path / "none")  # nothing to swap in
    assert before in LOOP
    text = LOOP.replace(before, after)
    if "softmax" in after:
        text = text.replace("x.flatten(1))))", "x.flatten(1)))), 1)")
    result = hand_in((2,), mytorch=UNFOLD, train=text)
    assert fault in lost(result, 2)
    assert said in reason(result, fault)


def test_no_process_of_a_submission_survives(hand_in):
    mark = secrets.token_hex(7)  # a process's name has 15 letters at most
    text = (
        "import ctypes, os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        f"    ctypes.CDLL(None).prctl(15, b'{mark}', 0, 0, 0)  # its name\n"
        "    time.sleep(600)\n" + UNFOLD
    )
    result = hand_in(mytorch=text)
    assert result.passed  # the code did run
    alive = [process for process in psutil.process_iter(["name"]) if process.info["name"] == mark]
    assert not alive


def test_nothing_is_written_into_the_submission(hand_in, tmp_path):
    hand_in(mytorch=UNFOLD)
    assert [path.name for path in (tmp_path / "alice/deliverable1-2").iterdir()] == ["mytorch.py"]


def test_the_same_seed_repeats_the_reasons(hand_in):
    wrong = UNFOLD.replace("+ bias", "- bias")
    one = hand_in(folder="one", mytorch=wrong)
    two = hand_in(folder="two", mytorch=wrong)
    assert [check.reason for check in one.deliverables[0].checks] == [
        check.reason for check in two.deliverables[0].checks
    ]
