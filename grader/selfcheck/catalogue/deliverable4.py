"""Handwritten faults of deliverable 4, the ResNet's training and checkpoint. A new one is one entry in `MUTANTS`."""

import torch
from safetensors.torch import load, save

from grader.selfcheck.images import tiles
from grader.selfcheck.mutant import Mutant
from grader.selfcheck.submissions.deliverable4 import (
    BY_RULE,
    BY_TABLE,
    MODEL_FILE,
    TRAINED,
    WEIGHTS,
    knowing,
)

SEED = ("resnet_training.seed",)
LEARNS = ("resnet_training.learns",)
KNOWS = ("resnet_training.accuracy",)
NO_NETWORK = ("resnet_training.network", "resnet_training.accuracy", "resnet_training.mirrored")

LOSS = "torch.nn.functional.cross_entropy(logits, y)"
REPORT = "on_epoch(epoch, total / len(images), right / len(images))"
NORMALISED = "(images[chosen] / 255 - mean) / std"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _other(name: str, change) -> bytes:
    """The checkpoint with one tensor changed."""
    state = load(knowing())
    return save(state | {name: change(state[name]).contiguous()})


def _table() -> bytes:
    """A checkpoint for BY_TABLE: the test images, and what they are, learnt by heart."""
    images, labels = tiles().test_images, tiles().test_labels
    mean, std = (255 * torch.tensor(values).reshape(-1, 1, 1) for values in (MEAN, STD))
    inputs = (torch.from_numpy(images).permute(0, 3, 1, 2).float() - mean) / std
    keys = inputs.double().flatten(1) @ torch.linspace(0, 1, inputs[0].numel(), dtype=torch.float64)
    answers = torch.nn.functional.one_hot(torch.from_numpy(labels), 10).float()
    return save({"keys": keys.float(), "answers": answers})


TRAINING_FAULTS = (
    Mutant("torch not seeded", TRAINED, "    torch.manual_seed(seed)\n", "", SEED, "torch.manual_seed(seed)"),
    Mutant("only torch seeded", TRAINED, "    random.seed(seed)\n    np.random.seed(seed)\n", "", SEED,
           "numpy.random.seed(seed)"),
    Mutant("no step", TRAINED, "            optimizer.step()\n", "", LEARNS, ""),
    Mutant("sign of the loss", TRAINED, LOSS, f"-{LOSS}", LEARNS, "your loss is negative"),
    Mutant("on_epoch never called", TRAINED, f"        {REPORT}\n", "", LEARNS, "never called"),
    Mutant("on_epoch after every batch", TRAINED, f"        {REPORT}", f"            {REPORT}", LEARNS),
    Mutant("accuracy in percent", TRAINED, "right / len(images)", "100 * right / len(images)", LEARNS, "in percent"),
    Mutant("epochs from 0", TRAINED, "on_epoch(epoch,", "on_epoch(epoch - 1,", LEARNS, "epochs count from 1"),
    Mutant("training ends early", TRAINED, "range(1, epochs + 1)", "range(1, 2)", LEARNS, "the loop ends after 1"),
    Mutant("normalisation forgotten", TRAINED, NORMALISED, "images[chosen].float()", LEARNS),
    Mutant("channels last", TRAINED, "x, y = ",
           "images = images.permute(0, 2, 3, 1) if images.shape[1] == 3 else images\n"
           "            x, y = ", LEARNS),
)  # fmt: skip

CHECKPOINT_FAULTS = (
    Mutant("no checkpoint", TRAINED, lost=NO_NETWORK, instead={WEIGHTS: None}),
    Mutant("checkpoint of another network", TRAINED, lost=NO_NETWORK,
           instead={WEIGHTS: _other("linear.weight", lambda weight: weight[:, :99])}),
    Mutant("checkpoint of an untrained network", TRAINED, lost=KNOWS,
           instead={WEIGHTS: _other("linear.weight", lambda weight: weight.flip(0))}),
    Mutant("checkpoint of 70 %", TRAINED, lost=KNOWS,
           instead={WEIGHTS: _other("linear.bias", lambda bias: bias + 30 * (torch.arange(10) == 3))}),
    Mutant("test images learnt by heart", TRAINED, lost=("resnet_training.mirrored",), may=LEARNS,
           instead={MODEL_FILE: BY_TABLE, WEIGHTS: _table()}),
    Mutant("what it knows is in the code", TRAINED, lost=("resnet_training.chance",), instead={MODEL_FILE: BY_RULE}),
)  # fmt: skip

MUTANTS = (*TRAINING_FAULTS, *CHECKPOINT_FAULTS)
