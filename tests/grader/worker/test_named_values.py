"""An argument may be a function of the submission, named by module and name."""

import torch

from grader.worker import messages as m

SOURCE = """
    from torch import nn

    class Layer(nn.Linear):
        def __init__(self):
            super().__init__(2, 2)

    def fill(module):
        nn.init.constant_(module.weight, 3.0)
"""


def test_a_function_of_the_submission_is_passed_on(open_session):
    with open_session(SOURCE) as session:
        session.request(m.Build("mytorch", "Layer", "layer"), wall=20)
        apply = m.Forward("layer", [m.Named("mytorch", "fill")], method="apply")
        session.request(apply, wall=20)
        reply = session.request(m.GetParameters("layer"), wall=20)
    assert torch.equal(reply.arrays[0], torch.full((2, 2), 3.0))


def test_a_name_that_the_module_lacks_is_told(open_session):
    with open_session(SOURCE) as session:
        session.request(m.Build("mytorch", "Layer", "layer"), wall=20)
        apply = m.Forward("layer", [m.Named("mytorch", "init")], method="apply")
        message = session.request(apply, wall=20).message
    assert isinstance(message, m.Raised)
    assert "init" in message.message
