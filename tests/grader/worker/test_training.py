"""Training on the submission's own loop, seen by the grader through logits only."""

import pytest
import torch

from grader.worker import Reply, WorkerFailure
from grader.worker import messages as m

LOOP = """
    import torch
    from torch import nn

    def setup_seed(seed): torch.manual_seed(seed)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.dropout = nn.Dropout(0.5)
            self.linear = nn.Linear(16, 3)
        def forward(self, x):
            assert x.dtype == torch.float32 and x.shape[1:] == (1, 4, 4)
            return self.linear(self.dropout(x.flatten(1)))

    def train(net, images, labels, epochs, on_epoch):
        net.train()
        for epoch in range(1, epochs + 1):
            outputs = net(images)
            loss = nn.functional.cross_entropy(outputs, labels)
            net.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in net.parameters():
                    parameter -= 0.5 * parameter.grad
            on_epoch(epoch, loss, (outputs.argmax(1) == labels).float().mean())
            assert net.training and net.dropout.training
"""

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (30, 4, 4), dtype=torch.uint8, generator=GENERATOR)
LABELS = torch.arange(30) % 3


def _train(session, epochs: int = 3, wall: float = 60.0, **options: object) -> list[Reply]:
    request = m.Train("mytorch", epochs, 7, [0.5], [0.25], batch_size=8, **options)
    return list(session.stream(request, [IMAGES, LABELS.to(torch.uint8), IMAGES, IMAGES[:5]], wall=wall))


def test_every_epoch_comes_with_logits_of_every_evaluation(open_session):
    with open_session(LOOP) as session:
        *epochs, last = _train(session)
    assert [reply.message.epoch for reply in epochs] == [1, 2, 3]
    assert isinstance(last.message, m.Trained) and last.message.epochs_reported == 3
    for reply in epochs:
        whole, part = (reply.arrays[output.index] for output in reply.message.logits)
        assert whole.shape == (30, 3) and torch.allclose(part, whole[:5])
        assert reply.message.loss > 0 and 0 <= reply.message.accuracy <= 1
    first, final = epochs[0].arrays[0], last.arrays[last.message.final_logits[0].index]
    assert torch.equal(epochs[-1].arrays[0], final) and not torch.equal(first, final)


def test_the_seed_decides_the_training(open_session):
    runs = []
    for _ in range(2):
        with open_session(LOOP) as session:
            runs.append(_train(session)[-1].arrays[0])
    assert torch.equal(*runs)


def test_images_reach_the_loop_normalised_per_channel(open_session):
    source = """
        import torch
        def setup_seed(seed): pass
        class Net(torch.nn.Module):
            def forward(self, x): return x.flatten(1)
        def train(net, images, labels, epochs, on_epoch): pass
    """
    images = torch.randint(0, 256, (2, 3, 5, 3), dtype=torch.uint8, generator=GENERATOR)
    mean, std = [0.1, 0.2, 0.3], [0.5, 1.0, 2.0]
    with open_session(source) as session:
        request = m.Train("mytorch", 1, 0, mean, std)
        (reply,) = session.stream(request, [images, torch.zeros(2), images], wall=20)
    expected = (images / 255 - torch.tensor(mean)) / torch.tensor(std)  # (N, H, W, C)
    assert reply.message.epochs_reported == 0
    torch.testing.assert_close(reply.arrays[0], expected.permute(0, 3, 1, 2).flatten(1))


def test_figures_that_are_no_numbers_are_none(open_session):
    with open_session(LOOP.replace("on_epoch(epoch, loss, ", "on_epoch(epoch, float('nan'), 'good' or ")) as session:
        reply = _train(session, epochs=1)[0]
    assert reply.message.loss is None and reply.message.accuracy is None


def test_a_loop_that_reports_too_often_is_stopped(open_session):
    with open_session(LOOP.replace("range(1, epochs + 1)", "range(1, epochs + 2)")) as session:
        *epochs, last = _train(session)
    assert len(epochs) == 3 and "on_epoch was called 4 times" in last.message.message


@pytest.mark.parametrize(
    ("found", "instead", "words"),
    [
        ("def train(", "def main(", "train"),
        ("class Net(", "class Network(", "Net"),
        ("on_epoch(epoch", "raise ValueError('mine'); on_epoch(epoch", "mine"),
        ("return self.linear", "return 1 + self.nothing", "nothing"),
    ],
)
def test_what_is_missing_or_raises_ends_the_training_with_its_reason(open_session, found, instead, words):
    with open_session(LOOP.replace(found, instead)) as session:
        (reply,) = _train(session)
    assert isinstance(reply.message, m.Raised) and words in reply.message.message


def test_the_deadline_holds_for_the_whole_training(open_session):
    slowly = "import time; time.sleep(0.3); outputs = "
    source = LOOP.replace("outputs = ", slowly)
    seen = []
    with open_session(source) as session, pytest.raises(WorkerFailure, match="timeout"):
        request = m.Train("mytorch", 100, 7, [0.5], [0.25])
        for reply in session.stream(request, [IMAGES, LABELS], wall=1.5):
            seen.append(reply)
    assert 1 <= len(seen) < 6


def test_a_stream_that_is_given_up_ends_the_session(open_session):
    with open_session(LOOP) as session:
        stream = session.stream(m.Train("mytorch", 3, 7, [0.5], [0.25]), [IMAGES, LABELS], wall=20)
        next(stream)
        stream.close()
        with pytest.raises(WorkerFailure, match="not awaited"):
            session.request(m.Load("mytorch"), wall=20)
