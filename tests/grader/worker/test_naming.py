"""A reply names only arrays that are there."""

import pytest

from grader.worker import messages as m
from grader.worker.naming import check_named
from grader.worker.protocol import ProtocolError

OUTPUT = m.Output("torch.Tensor", index=2, shape=[999], dtype="float32")
SLOT = m.Slot("weight", [999], "float32", index=2)


@pytest.mark.parametrize(
    "message",
    [
        m.Result([OUTPUT]),
        m.Result([], gradients=[None, 2]),
        m.Result([], parameter_gradients={"weight": 2}),
        m.Built("Net", True, [SLOT]),
        m.Parameters([], [SLOT]),
        m.Epoch(1, 0.5, 0.5, [OUTPUT]),
        m.Epoch(1, 0.5, 0.5, [], m.Observed(9, 9, 9, 9, rows=2)),
        m.Epoch(1, 0.5, 0.5, [], m.Observed(9, 9, 9, 9, values=2)),
        m.Epoch(1, 0.5, 0.5, [], m.Observed(9, 9, 9, 9, gradients=2)),
        m.Trained(1, [OUTPUT]),
        m.Attacked(m.Output("x"), passes=2, stray=999),
    ],
    ids=lambda message: type(message).__name__,
)
def test_an_array_that_did_not_come_is_refused_and_one_that_came_is_not(message: m.Message):
    check_named(message, received=3, sent=0)
    with pytest.raises(ProtocolError, match="beyond its 2"):
        check_named(message, received=2, sent=9)


def test_a_changed_input_is_one_of_the_request():
    check_named(m.Result([], changed_inputs=[0, 1]), received=0, sent=2)
    with pytest.raises(ProtocolError, match="beyond the 1 of the request"):
        check_named(m.Result([], changed_inputs=[0, 1]), received=9, sent=1)
