"""Wrong answers dressed up as right ones, and attempts on what judges them."""

from tests.hostile.attack import (
    BUILT,
    CONVOLUTION,
    FUNCTION,
    FUNCTION_GRADIENTS,
    FUNCTION_VALUES,
    LAYER,
    POOL,
    POOL_VALUES,
    Attack,
    checks,
    conv,
    pool,
    top,
)

WRONG = checks(POOL_VALUES, "fail")

ATTACKS = [
    Attack("patched-functional", "replaces torch's functions that a judge might use",
           top("import torch\nimport torch.nn.functional as F\n"
               "F.conv2d = torch.conv2d = F.max_pool2d = lambda *a, **k: torch.zeros(())\n"
               "torch.allclose = torch.equal = torch.testing.assert_close = lambda *a, **k: True\n")),
    Attack("patched-allclose", "wrong values, with allclose and equality always true",
           pool("return honest(self, x) + 1",
                "import torch\ntorch.allclose = torch.equal = lambda *a, **k: True\n"
                "torch.Tensor.__eq__ = lambda a, b: torch.ones(())\n"), WRONG),
    Attack("patched-sending", "wrong values, with the worker's own modules replaced",
           pool("import sys\nfor name, module in list(sys.modules.items()):\n"
                "    if name.startswith('_chalkbench'):\n"
                "        module.raised = module.Raised = module.encode_reply = None\n"
                "return honest(self, x) + 1"), checks(POOL_VALUES, "fail|error"), may=checks(POOL, "error")),
    Attack("frame-walk", "looks for the expected values in every frame below it",
           pool("import sys\nframe, right = sys._getframe(1), honest(self, x)\nfound = []\n"
                "while frame:\n"
                "    for value in [*frame.f_locals.values(), *frame.f_globals.values()]:\n"
                "        if isinstance(value, torch.Tensor) and value is not x and value.shape == right.shape \\\n"
                "                and torch.equal(value.detach(), right.detach()): found.append(value)\n"
                "    frame = frame.f_back\n"
                "return found[0]"), checks(POOL, "error|fail")),
    Attack("memory-search", "looks for the expected values among all objects",
           pool("import gc\nright = honest(self, x).detach()\n"
                "found = [o for o in gc.get_objects() if type(o) is torch.Tensor and o is not x and o is not right\n"
                "         and o.shape == right.shape and o.dtype == right.dtype and torch.equal(o.detach(), right)]\n"
                "assert found, 'nothing found'\nreturn found[0]"), checks(POOL, "error|fail")),
    Attack("subclass", "a tensor subclass that says it is right",
           pool("return (honest(self, x) + 1).as_subclass(Liar)",
                "import torch\nclass Liar(torch.Tensor):\n"
                "    @classmethod\n    def __torch_function__(cls, f, types, args=(), kwargs=None):\n"
                "        return True if 'eq' in str(f) or 'close' in str(f) else "
                "super().__torch_function__(f, types, args, kwargs or {})\n"), WRONG),
    Attack("instance-methods", "methods of one tensor replaced",
           pool("out = honest(self, x) + 1\n"
                "out.detach = out.cpu = out.contiguous = out.double = lambda *a: honest(self, x)\nreturn out"),
           WRONG),
    Attack("not-a-number", "NaN, which no comparison finds larger", pool("return honest(self, x) * float('nan')"),
           WRONG,
           may=checks(POOL, "fail")),
    Attack("infinite", "infinity everywhere", pool("return honest(self, x) + float('inf')"), WRONG),
    Attack("wrong-shape", "one row too few", pool("return honest(self, x)[..., :-1, :]"), checks(POOL,
           "fail|error")),
    Attack("broadcastable", "a shape that broadcasts to the right one",
           pool("return honest(self, x).mean((0, 1), keepdim=True)"), checks(POOL, "fail|error")),
    Attack("empty", "no elements at all, which are all right", pool("return honest(self, x)[:0]"),
           checks(POOL, "fail|error")),
    Attack("sparse", "a sparse tensor", pool("return honest(self, x).to_sparse()"), checks(POOL, "fail|error")),
    Attack("meta", "a tensor without values", pool("return honest(self, x).to('meta')"), checks(POOL,
           "fail|error")),
    Attack("nested", "a nested tensor",
           pool("return torch.nested.nested_tensor(list(honest(self, x)))"), checks(POOL, "fail|error")),
    Attack("numpy-array", "an array in place of a tensor",
           pool("return honest(self, x).detach().numpy()"), checks(POOL, "fail")),
    Attack("list", "a list that holds the tensor", pool("return [honest(self, x)]"), checks(POOL, "fail")),
    Attack("sixty-four-bit", "answers in float64 to any question",
           conv("output = honest(windows, weight).double()"),
           {"conv2d.values": "fail"}, may=checks(CONVOLUTION, "fail|error")),
    Attack("sixteen-bit", "computes in bfloat16",
           conv("output = honest(windows.bfloat16(), weight.bfloat16()).to(input.dtype)"),
           checks(("conv2d.values", "conv2d.stride", "conv2d.dtype", *LAYER), "fail"), may=checks(FUNCTION,
           "fail")),
    Attack("input-in-place", "changes the input, so that a naive judge would agree",
           pool("with torch.no_grad(): x += 1\nreturn honest(self, x)"), checks(POOL, "fail|error")),
    Attack("input-resized", "empties the input's storage",
           pool("out = honest(self, x).clone()\nx.untyped_storage().resize_(0)\nreturn out"),
           checks(POOL, "fail|error|killed")),
    Attack("cached-by-shape", "answers once per shape, and repeats itself",
           conv("key = (tuple(windows.shape), tuple(weight.shape), input.dtype)\n"
                "output = cache.setdefault(key, honest(windows, weight))", "cache = {}\n"),
           may=checks(CONVOLUTION, "fail|error"), lost={"conv2d.input_gradient": "fail|error"}),
    Attack("hard-coded", "knows the one example of the assignment's sheet",
           conv("output = honest(windows, weight) if tuple(input.shape) == (2, 3, 7, 7) else "
                "torch.zeros_like(honest(windows, weight))"), checks(FUNCTION_VALUES, "fail"),
           may=checks((*FUNCTION_GRADIENTS, *LAYER), "fail")),
    Attack("constant", "zeros of the right shape", pool("return honest(self, x) * 0"), checks(POOL, "fail")),
    Attack("wrong-gradient", "right values with the gradient of something else",
           pool("right = honest(self, x)\nreturn right.detach() + (x.sum() - x.sum().detach())"),
           {"maxpool.gradient": "fail"}),
    Attack("no-gradient", "says that it needs a gradient, and has none",
           pool("return honest(self, x).detach().requires_grad_()"), {"maxpool.gradient": "fail|error"}),
    Attack("hooked-gradient", "a hook that rewrites the gradient on the way",
           pool("out = honest(self, x)\nif out.requires_grad: out.register_hook(lambda g: g * 0)\nreturn out"),
           {"maxpool.gradient": "fail"}),
    Attack("default-dtype", "makes float64 the default of all that comes after",
           top("import torch\ntorch.set_default_dtype(torch.float64)"), checks(LAYER, "fail|error")),
    Attack("default-device", "makes the meta device the default",
           top("import torch\ntorch.set_default_device('meta')"), may=checks((*BUILT, *POOL, *FUNCTION),
           "fail|error|timeout"),
           lost={"Conv2D.initialisation": "fail"}, slow=True),
    Attack("grad-off", "switches autograd off for the process", top("import torch\ntorch.set_grad_enabled(False)"),
           {"conv2d.*_gradient": "fail|error", "Conv2D.gradients": "fail|error",
           "maxpool.gradient": "fail|error"}),
    Attack("random-state", "fixes the generators, so that every draw is the same",
           top("import torch\ntorch.manual_seed = torch.random.manual_seed = lambda seed: None\n"
               "torch.randn = lambda *shape, **k: torch.ones(*shape)"), {"Conv2D.initialisation": "fail"}),
]  # fmt: skip
