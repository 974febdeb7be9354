"""What a rule covers, and for how long it holds."""

import pytest
import torch
import torch.nn.functional as F

from grader.worker import CONVOLUTION, FFT, POOLING, ForbiddenOperator, Rules, forbidden
from grader.worker.forbid import forbidden_operators

from .conftest import RULES, call

X, W = torch.randn(1, 2, 8, 8), torch.randn(3, 2, 3, 3)


def test_names_that_only_look_alike_are_spared():
    bare = {name.partition("::")[2].partition(".")[0] for name in forbidden_operators(RULES)}
    assert not {"_convert_indices_from_coo_to_csr", "convert_element_type", "_alloc_from_pool", "im2col"} & bare
    namespaces = {name.partition("::")[0] for name in forbidden_operators(RULES)}
    assert {"aten", "mkldnn", "quantized", "prims", "mkldnn_prepacked"} <= namespaces


def test_exceptions_to_a_rule_hold_for_whole_names():
    rules = Rules(operators=(CONVOLUTION,), allowed=("conv2d",))
    bare = {name.partition(".")[0] for name in forbidden_operators(rules)}
    assert "aten::conv2d" not in bare and "aten::_slow_conv2d_forward" in bare and "aten::conv1d" in bare


def test_nothing_is_forbidden_afterwards():
    expected = F.conv2d(X, W)
    with forbidden(Rules((CONVOLUTION, POOLING, FFT))), pytest.raises(ForbiddenOperator):
        F.conv2d(X, W)
    x = X.clone().requires_grad_()
    result = F.max_pool2d(F.conv2d(x, W), 2)
    result.sum().backward()
    assert torch.equal(F.conv2d(X, W), expected) and x.grad is not None


STUDENT = """
    import torch
    import torch.nn.functional as F
    def f(x, w):
        return F.conv2d(x, w)
    def quiet(x, w):
        try: return getattr(torch, "conv" + "2d")(x, w)
        except Exception: return None
"""


def test_a_session_names_the_operator_and_the_students_line(open_session):
    with open_session(STUDENT, rules=RULES) as session:
        raised = call(session, "f", X, W)
        quiet = call(session, "quiet", X, W)
    assert raised.message.forbidden and "aten::conv2d at mytorch.py:5: return F.conv2d(x, w)" in raised.message.message
    assert [(hit.operator, hit.line) for hit in quiet.hits] == [("aten::conv2d", 7)]


def test_each_session_has_its_own_rules(open_session):
    for rules, allowed in ((RULES, False), (None, True), (Rules((POOLING,)), True), (RULES, False)):
        with open_session(STUDENT, rules=rules) as session:
            assert (len(call(session, "f", X, W).arrays) == 1) == allowed


def test_operators_of_libraries_that_come_later_are_denied(open_session):
    pytest.importorskip("torchvision")
    source = """
        import torch, torchvision.ops
        def f(x, w): return torchvision.ops.deform_conv2d(x, torch.zeros(1, 18, 6, 6), w)
    """
    with open_session(source, rules=RULES) as session:
        assert call(session, "f", X, W, wall=60).message.forbidden
