"""What can be asked of a session, and what comes back."""

import pytest
import torch
from torch import nn

from grader.worker import Argument, Handle, pack
from grader.worker import messages as m

from .conftest import call

LAYERS = """
    import torch
    from torch import nn

    def scale(x, factor=2.0, offset=None):
        y = x * factor
        return y if offset is None else y + offset

    class Layer(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.kernel = nn.Parameter(torch.zeros(outputs, inputs))
            self.register_buffer("count", torch.zeros(1))
            self.dropout = nn.Dropout(0.5)

        def forward(self, x):
            return self.dropout(x @ self.kernel.T)

        def describe(self, x):
            return x.sum(), [1, 2]
"""


def test_load_lists_the_public_names(open_session):
    with open_session(LAYERS + "\n    _hidden = 1\n    LIMIT = 3\n") as session:
        loaded = session.request(m.Load("mytorch"), wall=20).message
    names = {public.name: public for public in loaded.names}
    assert set(names) == {"scale", "Layer", "LIMIT"}
    assert names["scale"].what == "function" and names["scale"].signature == "(x, factor=2.0, offset=None)"
    assert names["Layer"].is_module and not names["scale"].is_module
    assert names["LIMIT"].what == "other"


def test_call_returns_values_and_gradients(open_session):
    x, offset, upstream = torch.randn(2, 3), torch.randn(2, 3), torch.randn(2, 3)
    arrays = []
    args, kwargs = pack([Argument(x, requires_grad=True)], {"factor": 3, "offset": offset}, arrays)
    arrays.append(upstream)
    request = m.Call("mytorch", "scale", args, kwargs, grad_outputs=[2], gradients=[0])
    with open_session(LAYERS) as session:
        reply = session.request(request, arrays, wall=20)
    (output,) = reply.message.outputs
    assert output.type == "torch.Tensor" and output.requires_grad and not reply.message.sequence
    torch.testing.assert_close(reply.arrays[output.index], x * 3 + offset)
    torch.testing.assert_close(reply.arrays[reply.message.gradients[0]], upstream * 3)
    assert reply.message.changed_inputs == []


def test_an_input_without_influence_has_no_gradient_and_no_error(open_session):
    arrays = []
    args, _ = pack([Argument(torch.ones(2), True), Argument(torch.ones(2), True)], {}, arrays)
    arrays.append(torch.ones(2))
    request = m.Call("mytorch", "first", args, grad_outputs=[2], gradients=[0, 1])
    with open_session("def first(x, y): return x * 1") as session:
        message = session.request(request, arrays, wall=20).message
    assert message.gradients[0] is not None and message.gradients[1] is None and message.backward is None


def test_a_result_without_a_graph_says_so_and_keeps_its_values(open_session):
    arrays = []
    args, _ = pack([Argument(torch.ones(2), True)], {}, arrays)
    arrays.append(torch.ones(2))
    request = m.Call("mytorch", "cut", args, grad_outputs=[1], gradients=[0])
    with open_session("def cut(x): return x.detach() * 2") as session:
        reply = session.request(request, arrays, wall=20)
    assert reply.arrays[0].tolist() == [2, 2]
    assert "does not require grad" in reply.message.backward.message


def test_a_result_of_another_shape_gets_no_gradient_by_broadcasting(open_session):
    arrays = []
    args, _ = pack([Argument(torch.ones(2, 3), True)], {}, arrays)
    arrays.append(torch.ones(2, 3))
    request = m.Call("mytorch", "total", args, grad_outputs=[1], gradients=[0])
    with open_session("def total(x): return x.sum()") as session:
        message = session.request(request, arrays, wall=20).message
    assert message.outputs[0].shape == [] and "shape" in message.backward.message and message.gradients == []


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "transposed", "sliced"])
def test_arguments_have_the_layout_that_was_asked_for(open_session, layout: str):
    x = torch.randn(2, 3, 4, 5)
    source = """
        import torch
        def strides(x): return x.clone(memory_format=torch.contiguous_format), torch.tensor(x.stride())
    """
    with open_session(source) as session:
        reply = call(session, "strides", Argument(x, layout=layout))
    values, strides = reply.arrays
    assert torch.equal(values, x)
    expected = {
        "contiguous": [60, 20, 5, 1],
        "channels_last": [60, 1, 15, 3],
        "transposed": [60, 20, 1, 4],
        "sliced": [120, 40, 10, 2],
    }
    assert strides.tolist() == expected[layout]


def test_lists_tuples_and_plain_values_arrive_as_they_are(open_session):
    source = "import torch\ndef kinds(*values, **named): return [repr(values), repr(named)]"
    with open_session(source) as session:
        message = call(session, "kinds", (1, 2), [True, None], "same", 0.5, stride=(1, (2, 3))).message
    assert [output.detail for output in message.outputs] == [
        repr("((1, 2), [True, None], 'same', 0.5)"),
        repr("{'stride': (1, (2, 3))}"),
    ]


def test_inputs_that_were_changed_are_named(open_session):
    with open_session("def spoil(x, y): y[0] = float('nan'); return x") as session:
        spoiled = call(session, "spoil", torch.ones(2), torch.ones(2)).message
        kept = call(session, "spoil", torch.ones(2), torch.full((2,), float("nan"))).message
    assert spoiled.changed_inputs == [1]
    assert kept.changed_inputs == []  # NaN over NaN is no change


def test_several_outputs_keep_their_order(open_session):
    with open_session("def two(x): return x, x + 1") as session:
        reply = call(session, "two", torch.zeros(1))
    assert reply.message.sequence
    assert [reply.arrays[output.index].item() for output in reply.message.outputs] == [0, 1]


@pytest.mark.parametrize(
    ("expression", "type_name"),
    [
        ("None", "NoneType"),
        ("3", "int"),
        ("{'a': x}", "dict"),
        ("x.to_sparse()", "torch.Tensor"),
        ("x.to('meta')", "torch.Tensor"),
        ("x.expand(1 << 40, 2)", "torch.Tensor"),
        ("object.__new__(type('Odd', (), {'__repr__': 1}))", "mytorch.Odd"),
        ("torch.quantize_per_tensor(x, 0.1, 0, torch.quint8)", "torch.Tensor"),
    ],
)
def test_what_cannot_be_sent_is_described(open_session, expression: str, type_name: str):
    with open_session(f"import torch\ndef give(x): return {expression}") as session:
        reply = call(session, "give", torch.ones(2))
    (output,) = reply.message.outputs
    assert output.index is None and output.type == type_name and reply.arrays == []


def test_a_result_that_is_larger_than_asked_for_is_described_with_its_shape(open_session):
    with open_session("import torch\ndef large(x): return torch.zeros(1000)") as session:
        reply = call(session, "large", torch.ones(2), reply_bytes=3999)
        assert reply.message.outputs[0].index is None and reply.message.outputs[0].shape == [1000]
        assert len(call(session, "large", torch.ones(2), reply_bytes=4000).arrays) == 1


def test_nan_complex_and_numpy_results_are_sent_for_the_grader_to_judge(open_session):
    source = """
        import torch
        def odd(x): return x / 0 * 0, x.to(torch.complex64), x.numpy(), torch.nn.Parameter(x)
    """
    with open_session(source) as session:
        reply = call(session, "odd", torch.ones(2))
    assert reply.arrays[0].isnan().all() and reply.arrays[1].dtype == torch.complex64
    types = [output.type for output in reply.message.outputs]
    assert types == ["torch.Tensor", "torch.Tensor", "numpy.ndarray", "torch.nn.parameter.Parameter"]


def test_subclasses_that_intercept_everything_are_sent_as_their_values(open_session):
    source = """
        import torch
        class Liar(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                raise SystemExit(0)
        def lie(x): return x.as_subclass(Liar)
    """
    with open_session(source) as session:
        reply = call(session, "lie", torch.ones(2))
    assert reply.message.outputs[0].type == "mytorch.Liar" and reply.arrays[0].tolist() == [1, 1]


def test_an_exception_is_a_reply_with_the_submissions_own_lines(open_session):
    source = """
        import torch
        def outer(x):
            return inner(x)
        def inner(x):
            return torch.cat([x, 1])
    """
    with open_session(source) as session:
        raised = call(session, "outer", torch.ones(2)).message
        again = call(session, "outer", torch.ones(2)).message
    assert raised.type == "TypeError" and not raised.forbidden
    assert [(f.file, f.line, f.source) for f in raised.frames] == [
        ("mytorch.py", 4, "return inner(x)"),
        ("mytorch.py", 6, "return torch.cat([x, 1])"),
    ]
    assert again == raised  # the session goes on


@pytest.mark.parametrize(
    ("source", "type_name", "line"),
    [
        ("def broken(:", "SyntaxError", 1),
        ("x = 1\nimport nosuchmodule", "ModuleNotFoundError", 2),
        ("raise SystemExit(0)", "SystemExit", 1),
        ("x = 1\nraise KeyboardInterrupt", "KeyboardInterrupt", 2),
        ("def again(): again()\nagain()", "RecursionError", 1),
        ("class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd", "Odd", 3),
    ],
)
def test_a_module_that_cannot_be_imported_says_where(open_session, source: str, type_name: str, line: int):
    with open_session(source) as session:
        raised = session.request(m.Load("mytorch"), wall=20).message
    assert (raised.type, raised.frames[-1].line) == (type_name, line)


def test_a_missing_name_is_told_by_its_name(open_session):
    with open_session("x = 1") as session:
        raised = call(session, "MyFConv2D", torch.ones(1)).message
    assert raised.type == "AttributeError" and "MyFConv2D" in raised.message


def test_objects_keep_their_parameters_between_requests(open_session):
    kernel = torch.randn(4, 3)
    with open_session(LAYERS) as session:
        built = session.request(m.Build("mytorch", "Layer", "layer", *pack([3, 4], {}, [])), wall=20).message
        assert built.is_module and built.type == "Layer"
        assert [(p.name, p.shape, p.requires_grad) for p in built.parameters] == [("kernel", [4, 3], True)]
        assert [b.name for b in built.buffers] == ["count"]
        assert isinstance(session.request(m.SetParameters("layer", ["kernel"]), [kernel], wall=20).message, m.Done)
        held = session.request(m.GetParameters("layer"), wall=20)
        assert torch.equal(held.arrays[held.message.parameters[0].index], kernel)
        x, upstream, arrays = torch.randn(2, 3), torch.randn(2, 4), []
        args, _ = pack([Argument(x, requires_grad=True)], {}, arrays)
        request = m.Forward(
            "layer", args, train=False, grad_outputs=[1], gradients=[0], parameter_gradients=True
        )
        reply = session.request(request, [*arrays, upstream], wall=20)
    layer = nn.Linear(3, 4, bias=False)
    layer.weight.data.copy_(kernel)
    x = x.requires_grad_()
    expected = layer(x)
    expected.backward(upstream)
    torch.testing.assert_close(reply.arrays[reply.message.outputs[0].index], expected)
    torch.testing.assert_close(reply.arrays[reply.message.gradients[0]], x.grad)
    torch.testing.assert_close(reply.arrays[reply.message.parameter_gradients["kernel"]], layer.weight.grad)


def test_forward_in_training_mode_and_other_methods(open_session):
    with open_session(LAYERS) as session:
        session.request(m.Build("mytorch", "Layer", "layer", *pack([3, 4], {}, [])), wall=20)
        session.request(m.SetParameters("layer", ["kernel"]), [torch.ones(4, 3)], wall=20)
        x = torch.ones(50, 3)
        args, _ = pack([x], {}, [])
        trained = session.request(m.Forward("layer", args, train=True), [x], wall=20).arrays[0]
        evaluated = session.request(m.Forward("layer", args, train=False), [x], wall=20).arrays[0]
        described = session.request(m.Forward("layer", args, method="describe"), [x], wall=20).message
    assert (trained == 0).any() and not (evaluated == 0).any()
    assert [output.type for output in described.outputs] == ["torch.Tensor", "list"]


def test_built_objects_can_be_arguments(open_session):
    source = LAYERS + "\n    def through(layer, x): return type(layer).__name__\n"
    with open_session(source) as session:
        session.request(m.Build("mytorch", "Layer", "layer", *pack([3, 4], {}, [])), wall=20)
        message = call(session, "through", Handle("layer"), 1).message
    assert message.outputs[0].detail == "'Layer'"


def test_requests_that_cannot_be_carried_out_are_refused_without_blaming_the_submission(open_session):
    with open_session(LAYERS) as session:
        assert "handle" in session.request(m.GetParameters("nothing"), wall=20).message.reason
        session.request(m.Build("mytorch", "Layer", "layer", *pack([3, 4], {}, [])), wall=20)
        wrong = session.request(m.SetParameters("layer", ["kernel"]), [torch.ones(3, 4)], wall=20).message
        assert "[4, 3], not [3, 4]" in wrong.reason
        missing = m.Call("mytorch", "scale", [m.Tensor(5)])
        assert isinstance(session.request(missing, wall=20).message, m.Refused)


def test_draws_show_whether_all_generators_were_seeded(open_session):
    source = """
        import random, numpy, torch
        def setup_seed(seed): random.seed(seed); numpy.random.seed(seed); torch.manual_seed(seed)
        def forgets_numpy(seed): random.seed(seed); torch.manual_seed(seed)
    """
    with open_session(source) as session:

        def draws(name: str, seed: int) -> list[list[float]]:
            reply = session.request(m.Draws("mytorch", name, seed), wall=20)
            assert isinstance(reply.message, m.Drawn)
            return [array.tolist() for array in reply.arrays]

        first = draws("setup_seed", 1)
        assert draws("setup_seed", 1) == first and draws("setup_seed", 2) != first
        half = draws("forgets_numpy", 1)
        assert [a == b for a, b in zip(half, draws("forgets_numpy", 1), strict=True)] == [True, False, True]


def test_sessions_with_the_same_seed_begin_alike(open_session):
    source = "import random, numpy, torch\ndef f(): return float(torch.rand(1)), numpy.random.rand(), random.random()"
    seen = []
    for seed in (1, 1, 2):
        with open_session(source, seed=seed) as session:
            seen.append([output.detail for output in call(session, "f").message.outputs])
    assert seen[0] == seen[1] != seen[2]


def test_threads_are_as_many_as_asked_for(open_session):
    with open_session("import torch\ndef f(): return torch.get_num_threads()", threads=2) as session:
        assert call(session, "f").message.outputs[0].detail == "2"


def test_values_of_other_types_cannot_be_packed():
    with pytest.raises(TypeError, match="dict"):
        pack([{"a": 1}], {}, [])
