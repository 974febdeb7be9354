"""Right loops of any kind keep the points of what is seen of them, and what is seen decides nothing else."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from grader.checks.watched import Seen, read
from grader.progress import Progress
from grader.result import CheckResult
from grader.runner import Options, grade
from grader.selfcheck.images import blots
from grader.selfcheck.submissions.deliverable1 import UNFOLD
from grader.selfcheck.terms import TERMS
from grader.worker import Reply, Worker
from grader.worker.messages import Done, Observed
from tests.grader.submissions.loops import HEAD, PLAIN, RIGHT, UNKNOWN, UNSEEN

pytestmark = pytest.mark.slow

DELIVERABLE = TERMS["hw3"][2].deliverable
SMALL = replace(
    TERMS["hw3"][2].assignment,
    deliverables=(
        replace(DELIVERABLE, checks=tuple(check for check in DELIVERABLE.checks if check.id.startswith("training."))),
    ),
)
LEARNT = {"training.loss", "training.accuracy"}
SEEN = {"training.passes", "training.cleared", "training.logits", "training.reports"}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(threads=1, preload=("torch", "numpy")) as worker:
        yield worker


@pytest.fixture
def judged(worker, tmp_path):
    """Grades a loop: check → result."""

    def judged(loop: str, head: str = HEAD) -> dict[str, CheckResult]:
        place = tmp_path / "deliverable1_2"
        place.mkdir(exist_ok=True)
        (place / "mytorch.py").write_text(UNFOLD.text)
        (place / "train.py").write_text(head + loop)
        options = Options((2,), seed=1, data="synthetic", fresh=True)
        with Progress(Console(quiet=True)) as silent:
            result = grade(SMALL, str(tmp_path), options, worker, silent, datasets=lambda name: blots())
        return {check.id: check for check in result.deliverables[0].checks}

    return judged


def lost(checks: dict[str, CheckResult]) -> dict[str, str]:
    return {id: check.reason for id, check in checks.items() if check.verdict != "pass"}


def test_what_does_not_fit_together_was_not_seen():
    rows, values = torch.tensor([3, 2]), torch.randn(5, 10)
    counts = (9, 5, 2, 0)

    def seen(*arrays: torch.Tensor, indices: tuple = (0, 1, 2)) -> Seen:
        return read(Reply(Done(), list(arrays), []), Observed(*counts, *indices), 10)

    right = seen(rows, values, values)
    assert (right.forward, right.backward, right.updates, right.stale) == counts
    assert right.batches.rows.tolist() == [3, 2]
    assert seen(torch.tensor([3, 2, 40]), values, values).batches.rows.tolist() == [3, 2]  # the rest was not kept
    wrong = [
        (rows.int(), values, values),
        (torch.tensor([[3, 2]]), values, values),
        (torch.tensor([3, -2]), values, values),
        (torch.tensor([3, 3]), values, values),
        (torch.tensor([(1 << 63) - 1, (1 << 63) - 1, 7]), values, values),  # 5, as int64 adds them up
        (rows, values[:4], values),
        (rows, values[:, :9], values[:, :9]),
        (rows, values.long(), values),
        (torch.zeros(0, dtype=torch.int64), values[:0], values[:0]),
    ]
    assert all(seen(*arrays) == Seen(*counts, None) for arrays in wrong)
    assert seen(rows, values, values, indices=(0, None, 2)).batches is None
    assert read(Reply(Done(), [], []), None, 10) == Seen(0, 0, 0, 0, None)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_loop_keeps_everything(judged, name):
    checks = judged(RIGHT[name])
    assert {id: why for id, why in lost(checks).items() if id not in LEARNT} == {}
    assert checks["training.reports"].reason == ""  # it was compared
    if name not in ("all images at once", "accumulation over the whole epoch"):  # five steps
        assert lost(checks) == {}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_loop_that_cannot_be_compared_keeps_everything(judged, name):
    checks = judged(UNKNOWN[name])
    assert {id: why for id, why in lost(checks).items() if id not in LEARNT} == {}
    assert "not compared" in checks["training.reports"].reason


def test_a_loop_of_which_nothing_is_seen_passes_no_check_that_rests_on_it(judged):
    checks = judged(UNSEEN)
    assert set(lost(checks)) == SEEN
    assert "nothing was seen" in checks["training.passes"].reason


@pytest.mark.parametrize(
    "disturbs",
    [
        "type(net).forward = type(net).forward.__wrapped__",
        "torch.Tensor.register_hook = None",
        "torch.Tensor.clone = None",
    ],
)
def test_who_disturbs_what_is_seen_gains_nothing(judged, disturbs):
    loop = PLAIN.replace("            optimizer.zero_grad()\n", "")
    assert set(lost(judged(f"    {disturbs}\n{loop}"))) >= SEEN


def test_a_network_is_as_it_was_when_it_has_been_watched(judged):
    loop = PLAIN + "\n    global left\n    left = net\n"
    head = HEAD + "    assert not net._forward_hooks and 'forward' not in vars(net)\n"
    assert lost(judged(loop, head)) == {}
