"""Answers that depend on the seed, on the call, on the clock, or on who asks."""

from tests.hostile.attack import BUILT, CONVOLUTION, POOL, POOL_VALUES, Attack, checks, conv, pool, top

COUNT = "calls = 0\n"
ATTACKS = [
    Attack("first-call-only", "right at the first call, and never after",
           conv("global calls\ncalls += 1\noutput = honest(windows, weight) * (calls == 1)", COUNT),
           checks(("conv2d.stride", "conv2d.edges", "conv2d.weight_gradient", "Conv2D.values"), "fail"),
           may=checks(CONVOLUTION, "fail")),
    Attack("every-fifth-call", "wrong at every fifth call",
           conv("global calls\ncalls += 1\noutput = honest(windows, weight) + (calls % 5 == 0)", COUNT),
           {}, may=checks(CONVOLUTION, "fail")),
    Attack("after-a-while", "right for forty calls, and wrong from then on",
           conv("global calls\ncalls += 1\noutput = honest(windows, weight) + (calls > 40)", COUNT),
           {"Conv2D.values": "fail"}, may=checks(CONVOLUTION, "fail")),
    Attack("random-answer", "wrong once in three times",
           pool("import random\nreturn honest(self, x) + (random.random() < 0.34)"), may=checks(POOL, "fail"),
           lost={}),
    Attack("small-images-only", "right for images up to 6×6",
           conv("output = honest(windows, weight) if max(input.shape[2:]) <= 6 else honest(windows, weight) + 1"),
           {"conv2d.values": "fail"}, may=checks(CONVOLUTION, "fail")),
    Attack("one-image-only", "right for batches of one", pool("return honest(self, x) + (len(x) > 1)"),
           {"maxpool.values": "fail"}, may=checks(POOL, "fail")),
    Attack("watches-the-clock", "wrong in the first second of its life, so that a quick check differs from a slow one",
           conv("output = honest(windows, weight) + (time.monotonic() - began < 1)",
                "import time\nbegan = time.monotonic()\n"), {"conv2d.values": "fail"}, may=checks(CONVOLUTION,
                "fail")),
    Attack("sees-the-seed", "right if the generator's seed is the one its author used",
           pool("return honest(self, x) + (torch.initial_seed() != 42)"), checks(POOL_VALUES, "fail")),
    Attack("sees-gradients", "right values only where a gradient is asked for",
           pool("return honest(self, x) + (not x.requires_grad)"),
           {"maxpool.values": "fail", "maxpool.stride": "fail", "maxpool.odd_sizes": "fail",
           "maxpool.negative": "fail"}),
    Attack("sees-the-grader", "honest only where it believes that it is graded",
           top("import sys\nif not any(n.startswith('_chalkbench') for n in sys.modules): raise SystemExit\n")),
    Attack("grows", "keeps every tensor that it ever saw",
           conv("held.append(windows.repeat(2, 1, 1, 1, 1, 1))\noutput = honest(windows, weight)", "held = []\n")),
    Attack("training-mode", "another answer in evaluation mode", pool("return honest(self, x) * self.training")),
    Attack("two-faces", "a layer that is another class when it is built a second time",
           {"deliverable1_2/mytorch.py": top("")["deliverable1_2/mytorch.py"]
            + "\n\nbuilt = 0\nHonest = MyConv2D\n\n\ndef MyConv2D(*args, **kwargs):\n    global built\n    built += 1\n"
              "    return Honest(*args, **kwargs) if built % 2 else None\n"},
           checks(BUILT, "fail|error")),
]  # fmt: skip
