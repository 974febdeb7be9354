"""What a worker sees of a training: images, outputs, gradients, and whether these are cleared."""

import textwrap

import pytest
import torch
import torch.nn.functional as F

from grader.worker import messages as m

HEAD = """
    import torch
    from torch import nn
    import torch.nn.functional as F
    def setup_seed(seed): torch.manual_seed(seed)
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(16, 3)
        def forward(self, x):
            return self.linear(x.flatten(1))
    kept = []
    def train(net, images, labels, epochs, on_epoch):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for epoch in range(1, epochs + 1):
            for start in range(0, len(images), 10):
"""
STEP = """
                x, y = images[start:start + 10], labels[start:start + 10]
                logits = net(x)
                optimizer.zero_grad()
                F.cross_entropy(logits, y).backward()
                optimizer.step()
"""
REPORT = """
            on_epoch(epoch, 1.0, 0.5)
"""
GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (30, 4, 4), dtype=torch.uint8, generator=GENERATOR)
LABELS = torch.arange(30) % 3


@pytest.fixture
def watch(open_session):
    """The replies of a training by this loop, one per epoch."""

    def watch(step: str = STEP, head: str = HEAD, report: str = REPORT, epochs: int = 2):
        request = m.Train("mytorch", epochs, 7, [0.5], [0.25])
        with open_session(textwrap.dedent(head + step + report)) as session:
            *replies, last = session.stream(request, [IMAGES, LABELS.to(torch.uint8), IMAGES], wall=60)
        assert isinstance(last.message, m.Trained), last.message
        return replies

    return watch


def counts(reply) -> tuple[int, int, int, int]:
    seen = reply.message.observed
    return seen.forward, seen.backward, seen.updates, seen.stale


def test_images_outputs_and_gradients_are_those_of_the_loop(watch):
    first, second = watch()
    assert counts(first) == (30, 30, 2, 0) and counts(second) == (30, 30, 3, 0)
    seen = first.message.observed
    rows, values, gradients = (first.arrays[index] for index in (seen.rows, seen.values, seen.gradients))
    assert rows.tolist() == [10, 10, 10] and values.shape == gradients.shape == (30, 3)
    z = values[:10].requires_grad_()
    F.cross_entropy(z, LABELS[:10]).backward()
    torch.testing.assert_close(gradients[:10], z.grad)


def test_what_the_grader_measures_is_not_counted_and_what_passes_without_a_gradient_is_no_training(watch):
    (reply,) = watch(STEP + "                with torch.no_grad(): net(x)\n                net(x)\n", epochs=1)
    assert counts(reply)[:2] == (90, 30)


def test_gradients_that_are_never_cleared_are_stale(watch):
    first, second = watch(STEP.replace("optimizer.zero_grad()", "pass"))
    assert counts(first)[2:] == (2, 2) and counts(second)[2:] == (3, 3)


@pytest.mark.parametrize(
    "step",
    [
        STEP.replace("optimizer.zero_grad()", "net.zero_grad(set_to_none=False)"),
        STEP.replace("optimizer.step()", "start == 20 and (optimizer.step(), optimizer.zero_grad())").replace(
            "                optimizer.zero_grad()\n", ""
        ),
        STEP.replace("optimizer.zero_grad()", "[p.grad.mul_(0.9) for p in net.parameters() if p.grad is not None]"),
        STEP.replace("optimizer.step()", "pass").replace("optimizer.zero_grad()", "pass"),
    ],
    ids=["zeros", "accumulation", "decay", "no step"],
)
def test_gradients_that_are_cleared_accumulated_or_decayed_are_not(watch, step):
    assert all(counts(reply)[3] == 0 for reply in watch(step))


def test_a_direct_call_a_copy_a_pickle_and_a_frozen_layer_are_no_difference(watch):
    step = STEP.replace("net(x)", "net.forward(x)") + (
        "                import copy, io; copy.deepcopy(net)(x); torch.save(net.state_dict(), io.BytesIO())\n"
        "                assert 'forward' not in vars(net) and not net._forward_hooks\n"
    )
    frozen = "self.first = nn.Linear(16, 16).requires_grad_(False)\n            self.linear = "
    head = HEAD.replace("self.linear = ", frozen)
    for reply in watch(step, head):
        assert counts(reply)[:2] == (30, 30)


def test_a_network_without_a_class_of_its_own_and_one_with_lazy_layers_are_seen(watch):
    for network in ("nn.Sequential(nn.Flatten(), nn.Linear(16, 3))", "nn.Sequential(nn.Flatten(), nn.LazyLinear(3))"):
        head = HEAD.replace("kept = []", f"def Net(): return {network}")
        head = head.replace("optimizer = torch", "net(images[:1])\n        optimizer = torch")
        first, second = watch(head=head)
        assert counts(first) == (31, 30, 2, 0) and counts(second) == (30, 30, 3, 0)


def test_the_class_is_as_it_was_behind_the_training(open_session):
    source = textwrap.dedent(HEAD + STEP + REPORT) + (
        "\nbefore = Net.forward\ndef same(x):\n    return x if Net.forward is before else -x\n"
    )
    request = m.Train("mytorch", 1, 7, [0.5], [0.25])
    with open_session(source) as session:
        list(session.stream(request, [IMAGES, LABELS.to(torch.uint8), IMAGES], wall=60))
        reply = session.request(m.Call("mytorch", "same", [m.Tensor(0)]), [torch.ones(1)], wall=20)
    assert reply.arrays[0].item() == 1


def test_many_passes_are_counted_and_only_some_are_kept(watch):
    step = STEP + "                for _ in range(4): F.cross_entropy(net(x), y).backward()\n"
    (reply,) = watch(step, epochs=1)
    seen = reply.message.observed
    assert seen.backward == 150 and len(reply.arrays[seen.rows]) == 15
    assert len(reply.arrays[seen.values]) == 30  # 1.25 × 30, in whole batches


@pytest.mark.parametrize(
    "breaks", ["torch.Tensor.register_hook = None", "torch.Tensor.clone = None", "type(net).forward = before"]
)
def test_what_is_broken_is_not_seen_and_the_training_goes_on(watch, breaks):
    head = HEAD.replace("kept = []", "before = Net.forward")
    head = head.replace("optimizer = torch", f"{breaks}\n        optimizer = torch")
    for reply in watch(head=head):
        assert counts(reply)[1] == 0 and reply.message.observed.values is None


def test_outputs_of_several_widths_are_counted_and_not_sent(watch):
    head = HEAD.replace("return self.linear(x.flatten(1))", "return self.linear(x.flatten(1))[:, :2 + len(x) % 2]")
    step = STEP.replace("start + 10]", "start + 9]").replace("labels[start:start + 9]", "labels[start:start + 9] % 2")
    step += "                F.cross_entropy(net(images[:10]), labels[:10] % 2).backward()\n"
    (reply,) = watch(step, head, epochs=1)
    assert reply.message.observed.backward == 57 and reply.message.observed.values is None
