"""Forbidden operators, by every road that is known."""

from tests.hostile.attack import CONVOLUTION, POOL, Attack, checks, conv, pool

K = "k, s = self.kernel_size, self.stride\n"
PADDING = "padding=padding, stride=stride"


def _pool(name: str, tries: str, body: str, head: str = "", verdict: str = "invalid") -> Attack:
    return Attack(name, tries, pool(K + body, head), checks(POOL, verdict))


def _conv(name: str, tries: str, body: str, head: str = "", verdict: str = "invalid") -> Attack:
    return Attack(name, tries, conv(body, head), checks(CONVOLUTION, verdict))


ATTACKS = [
    _pool("alias", "max_pool2d under another name", "return helper(x, k, s)",
          "from torch.nn.functional import max_pool2d as helper\n"),
    _pool("getattr", "its name put together at run time",
          "return getattr(F, 'max_' + 'pool' + '2d')(x, k, s)"),
    _pool("swallowed", "reaches it, swallows the refusal, and answers honestly",
          "try: F.max_pool2d(x, k, s)\nexcept BaseException: pass\nreturn honest(self, x)"),
    _pool("torch-ops", "torch.ops.aten", "return torch.ops.aten.max_pool2d_with_indices(x, [k, k], [s, s])[0]"),
    _pool("torch-C", "torch._C._nn", "return torch._C._nn.max_pool2d_with_indices(x, [k, k], [s, s])[0]"),
    _pool("redispatch", "the operator's kernel for another dispatch key",
          "op = torch.ops.aten.max_pool2d_with_indices.default\n"
          "return op.redispatch(torch._C.DispatchKeySet(torch._C.DispatchKey.CPU), x, [k, k], [s, s])[0]"),
    _pool("adaptive", "adaptive pooling and pooling in three dimensions",
          "return F.max_pool3d(x[:, :, None], (1, k, k), (1, s, s))[:, :, 0]"),
    _pool("mkldnn", "a tensor in oneDNN's layout", "return F.max_pool2d(x.to_mkldnn(), k, s).to_dense()",
          verdict="invalid"),
    _pool("jit-script", "TorchScript", "return scripted(x, k, s)",
          "import torch\n@torch.jit.script\ndef scripted(x, k: int, s: int):\n"
          "    return torch.max_pool2d(x, [k, k], [s, s])\n", verdict="invalid"),
    _pool("thread", "another thread",
          "import threading\nfound = []\n"
          "t = threading.Thread(target=lambda: found.append(F.max_pool2d(x, k, s)))\n"
          "t.start(); t.join()\nreturn found[0]"),
    _pool("dispatch-modes-off", "dispatch modes and keys switched off",
          "with torch._C._DisableTorchDispatch(), torch._C._AutoDispatchBelowAutograd():\n"
          "    return F.max_pool2d(x, k, s)"),
    _pool("own-kernel-over-it", "registers a kernel of its own over the refusing one, and takes it away again",
          "library = torch.library.Library('aten', 'IMPL')\n"
          "library.impl('max_pool2d_with_indices', lambda *a: None, 'CPU', allow_override=True)\n"
          "library._destroy()\nreturn F.max_pool2d(x, k, s)"),
    _pool("gc", "finds what refuses through gc, and destroys it",
          "import gc\n"
          "for found in gc.get_objects():\n"
          "    if isinstance(found, torch.library.Library): found._destroy()\n"
          "    if type(found).__name__ == '_DispatchModule': found.reset()\n"
          "return F.max_pool2d(x, k, s)"),
    _pool("finalizers", "runs torch's own finalizers of libraries",
          "import weakref\nfor f in list(weakref.finalize._registry):\n"
          "    if 'library' in f.peek()[1].__module__: f()\nreturn F.max_pool2d(x, k, s)"),
    _pool("denial-in-frames", "looks for the list of denied operators in the frames below it",
          "import sys\nframe = sys._getframe()\n"
          "while frame:\n"
          "    for value in list(frame.f_locals.values()):\n"
          "        for owner in (value, getattr(value, '_denial', None)):\n"
          "            if hasattr(owner, 'hits') and hasattr(owner, 'remove'): owner.remove()\n"
          "    frame = frame.f_back\n"
          "return F.max_pool2d(x, k, s)"),
    _pool("second-exec", "a child process with a torch of its own",
          "import subprocess, sys\n"
          "subprocess.run([sys.executable, '-c', 'pass'], check=True)\nreturn honest(self, x)",
          verdict="error"),
    _pool("ctypes-exec", "the same through ctypes, past Python's own functions",
          "import ctypes, os, sys\nif os.fork() == 0:\n"
          "    ctypes.CDLL(None).execv(sys.executable.encode(), None)\n    os._exit(7)\n"
          "assert os.wait()[1] != 7 << 8, 'exec is refused'\nreturn honest(self, x)", verdict="error"),
    _pool("forked-child", "a forked child, which reaches the operator",
          "import os\nr, w = os.pipe()\nif os.fork() == 0:\n"
          "    try:\n        F.max_pool2d(x, k, s)\n        os.write(w, b'1')\n"
          "    finally:\n        os._exit(0)\n"
          "os.close(w)\nassert os.read(r, 1), 'the child could not either'\nreturn honest(self, x)",
          verdict="error"),
    _pool("scipy-ndimage", "scipy's filters",
          "from scipy import ndimage\nreturn honest(self, x)", verdict="invalid"),
    _conv("functional", "conv2d itself", f"output = F.conv2d(input, weight, {PADDING})"),
    _conv("transposed", "conv_transpose2d", "F.conv_transpose2d(padded, weight.transpose(0, 1))\n"
          "output = honest(windows, weight)"),
    _conv("conv3d", "conv3d",
          "output = F.conv3d(padded[:, :, None], weight[:, :, None], stride=(1, stride, stride))[:, :, 0]"),
    _conv("weight-gradient", "the gradient of a convolution",
          "nn.grad.conv2d_input(padded.shape, weight, torch.ones(n, o, padded.shape[2] - kh + 1, "
          "padded.shape[3] - kw + 1, dtype=input.dtype))\noutput = honest(windows, weight)"),
    _conv("fft", "a Fourier transform", "torch.fft.rfft2(padded)\noutput = honest(windows, weight)"),
    _conv("numpy-fft", "numpy's Fourier transform",
          "import numpy as np\nnp.fft.rfft2(padded.detach().numpy())\noutput = honest(windows, weight)"),
    _conv("scipy-signal", "scipy.signal's correlation",
          "from scipy.signal import correlate2d\noutput = honest(windows, weight)"),
    Attack("compiled-scipy", "the compiled library behind scipy.signal, by its file",
           conv("import scipy, glob, os\n"
                "assert glob.glob(os.path.dirname(scipy.__file__) + '/signal/*.so'), 'nothing is there'\n"
                "output = honest(windows, weight)"),
           checks(CONVOLUTION, "error"), needs="unshare"),
    Attack("torch-compile", "torch.compile, where there are no images",
           conv("if n == 0:\n"
                "    output = torch.compile(lambda a, b: F.conv2d(a, b), backend='eager')(padded, weight)\n"
                "else:\n    output = honest(windows, weight)"),
           {"conv2d.edges": "invalid|error"}),
    _conv("vmap", "torch.func.vmap over a convolution",
          "output = torch.func.vmap(lambda one: F.conv2d(one[None], weight, stride=stride)[0])(padded)"),
    _conv("custom-function", "inside of an autograd.Function",
          "class Hidden(torch.autograd.Function):\n"
          "    @staticmethod\n    def forward(ctx, a, b): return F.conv2d(a, b, stride=stride)\n"
          "    @staticmethod\n    def backward(ctx, g): return None, None\n"
          "output = Hidden.apply(padded, weight)"),
    _conv("reference", "imports the reference",
          "from reference.kernels import conv2d\noutput = honest(windows, weight)",
          verdict="error"),
    _conv("graders-oracle", "imports the grader's own oracle",
          "from grader.oracles import convolution\noutput = honest(windows, weight)", verdict="error"),
    Attack("dead-code", "a convolution under the main guard, to compare with", pool("return honest(self, x)",
           "import torch\nif __name__ == '__main__':\n    print(torch.nn.Conv2d(1, 1, 1))\n"), {}),
]  # fmt: skip
