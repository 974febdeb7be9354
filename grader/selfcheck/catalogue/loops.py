"""Faults of a training loop on uint8 images with its checkpoint, which HW3's deliverable 4 and EEE7331 have alike."""

import torch
from safetensors.torch import load, save

from grader.selfcheck.catalogue.edits import several
from grader.selfcheck.images import tiles
from grader.selfcheck.mutant import Base, Mutant
from grader.selfcheck.submissions.deliverable4 import BY_NOISE, BY_RULE, BY_TABLE, knowing

LOSS = "torch.nn.functional.cross_entropy(logits, y)"
NUMBERS = "total / len(images), right / len(images)"
REPORT = f"on_epoch(epoch, {NUMBERS})"
NORMALISED = "(images[chosen] / 255 - mean) / std"
CLEAR = "            optimizer.zero_grad()\n"
LOOP = "    for epoch in"


def loop_faults(base: Base, prefix: str) -> tuple[Mutant, ...]:
    """Faults of `train` and `setup_seed`.

    Args:
        base: a correct submission; its first file is `grader.selfcheck.submissions.deliverable4.TRAIN`.
        prefix: of the checks, "resnet_training".
    """
    seed, learns = (f"{prefix}.seed",), (f"{prefix}.learns",)
    passes, cleared, logits, reports = observed = tuple(
        f"{prefix}.{name}" for name in ("passes", "cleared", "logits", "reports")
    )
    return (
        Mutant("torch not seeded", base, "    torch.manual_seed(seed)\n", "", seed, "torch.manual_seed(seed)"),
        Mutant("only torch seeded", base, "    random.seed(seed)\n    np.random.seed(seed)\n", "", seed,
               "numpy.random.seed(seed)"),
        Mutant("no step", base, "            optimizer.step()\n", "", learns, ""),
        Mutant("sign of the loss", base, LOSS, f"-{LOSS}", learns, "your loss is negative"),
        Mutant("on_epoch never called", base, f"        {REPORT}\n", "", (*learns, *observed), "never called"),
        Mutant("on_epoch after every batch", base, f"        {REPORT}", f"            {REPORT}", (*learns, *observed)),
        Mutant("epochs from 0", base, "on_epoch(epoch,", "on_epoch(epoch - 1,", learns, "epochs count from 1"),
        Mutant("training ends early", base, "range(1, epochs + 1)", "range(1, 2)", learns, "the loop ends after 1"),
        Mutant("normalisation forgotten", base, NORMALISED, "images[chosen].float()", learns),
        Mutant("channels last", base, "x, y = ",
               "images = images.permute(0, 2, 3, 1) if images.shape[1] == 3 else images\n"
               "            x, y = ", (*learns, *observed)),
        Mutant("gradients never cleared", base, CLEAR, "", (cleared,), "optimizer.zero_grad()", may=learns),
        Mutant("gradients cleared once per epoch", base, lost=(cleared,), hint="in every step", may=learns,
               instead=several(base, (CLEAR, ""), ("        net.train()", f"{CLEAR[4:]}        net.train()"))),
        Mutant("an epoch of one batch", base, f"        {REPORT}", f"            break\n        {REPORT}", (passes,),
               "ends after one batch", may=learns),
        Mutant("an epoch of three batches", base, "split(50)", "split(50)[:3]", (passes,), "ends after 3 batches",
               may=learns),
        Mutant("softmax before the loss", base, LOSS, LOSS.replace("logits", "logits.softmax(1)"), (logits,),
               "give them the logits", may=learns),
        Mutant("accuracy in percent", base, "right / len(images)", "100 * right / len(images)", (reports,),
               "in percent"),
        Mutant("loss of the last batch", base, "total / len(images)", "loss.item()", (reports,), "of the last batch"),
        Mutant("loss added up and not divided", base, "total / len(images)", "total", (reports,),
               "divide by the number of images"),
        Mutant("the loss's sum begins once", base, lost=(reports,), hint="the sums of earlier epochs",
               instead=several(base, ("total, right = 0.0, 0", "right = 0"), (LOOP, f"    total = 0.0\n{LOOP}"))),
        Mutant("numbers of the epoch before", base, lost=(reports,), hint="of the epoch before",
               instead=several(base, (LOOP, f"    before = 1.0, 0.0\n{LOOP}"),
                               (REPORT, f"on_epoch(epoch, *before)\n        before = {NUMBERS}"))),
        Mutant("accuracy divided by another number", base, "right / len(images)", "right / 50000", (reports,),
               "by the number of images in the epoch"),
    )  # fmt: skip


def checkpoint_faults(
    base: Base,
    prefix: str,
    weights: str,
    *,
    kind: str,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    strict: bool,
) -> tuple[Mutant, ...]:
    """Faults of the trained network.

    Args:
        base: a correct submission; its second file is the network's.
        prefix: of the checks.
        weights: the checkpoint's path.
        kind: the network's class.
        mean: per channel, of the test images; std: likewise.
        strict: whether mirrored images may lose little. Two tiles that change places make nearly the same number, so
            that a table has many of them right.
    """
    mirrored = (f"{prefix}.mirrored",) if strict else ()
    learns, knows = (f"{prefix}.learns",), (f"{prefix}.accuracy",)
    none = tuple(f"{prefix}.{name}" for name in ("network", "accuracy", "mirrored", "unseen"))
    model = list(base.files)[1]

    def network(text: str) -> dict[str, str]:
        return {model: text.replace("MyResnet", kind)}

    return (
        Mutant("no checkpoint", base, lost=none, instead={weights: None}),
        Mutant("checkpoint of another network", base, lost=none,
               instead={weights: _other("linear.weight", lambda weight: weight[:, :99])}),
        Mutant("checkpoint of an untrained network", base, lost=knows,
               instead={weights: _other("linear.weight", lambda weight: weight.flip(0))}),
        Mutant("checkpoint that knows too little", base, lost=knows,
               instead={weights: _other("linear.bias", lambda bias: bias + 90 * (torch.arange(10) == 3))}),
        Mutant("test images learnt by heart", base, lost=(*mirrored, f"{prefix}.unseen"),
               may=(f"{prefix}.mirrored", *learns), also=("trained on test images",),
               instead=network(BY_TABLE) | {weights: _table(mean, std)}),
        Mutant("test images and their mirror images learnt by heart", base, lost=(f"{prefix}.unseen",), may=learns,
               hint="trained on test images",
               instead=network(BY_TABLE.replace("300", "600")) | {weights: _table(mean, std, mirrored=True)}),
        Mutant("trained on the test images", base, lost=(f"{prefix}.unseen",), may=learns,
               hint="trained on test images", instead=network(BY_NOISE) | {weights: _fitted(mean, std)}),
        Mutant("what it knows is in the code", base, lost=(f"{prefix}.chance",), instead=network(BY_RULE)),
    )  # fmt: skip


def _other(name: str, change) -> bytes:
    """The checkpoint with one tensor changed."""
    state = load(knowing())
    return save(state | {name: change(state[name]).contiguous()})


def _test_images(mean: tuple[float, ...], std: tuple[float, ...], mirrored: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, 3, 32, 32) and one-hot answers (N, 10), with their mirror images if wanted."""
    means, stds = (255 * torch.tensor(values).reshape(-1, 1, 1) for values in (mean, std))
    images = (torch.from_numpy(tiles().test_images).permute(0, 3, 1, 2).float() - means) / stds
    answers = torch.nn.functional.one_hot(torch.from_numpy(tiles().test_labels), 10).float()
    return (torch.cat([images, images.flip(3)]), answers.repeat(2, 1)) if mirrored else (images, answers)


def _table(mean: tuple[float, ...], std: tuple[float, ...], *, mirrored: bool = False) -> bytes:
    """A checkpoint for BY_TABLE: the test images, and what they are, learnt by heart."""
    images, answers = _test_images(mean, std, mirrored)
    keys = images.double().flatten(1) @ torch.linspace(0, 1, images[0].numel(), dtype=torch.float64)
    return save({"keys": keys.float(), "answers": answers})


def _fitted(mean: tuple[float, ...], std: tuple[float, ...]) -> bytes:
    """A checkpoint for BY_NOISE: the weights of least length that have every test image right."""
    images, answers = _test_images(mean, std, mirrored=True)
    tiled = images.double().reshape(-1, 3, 4, 8, 4, 8)
    noise = (tiled - tiled.mean((3, 5), keepdim=True)).flatten(1)  # (N, 3072)
    weight = torch.linalg.solve(noise @ noise.T, answers.double()).T @ noise  # (10, 3072)
    return save({"linear.weight": weight.float().contiguous(), "linear.bias": torch.zeros(10)})
