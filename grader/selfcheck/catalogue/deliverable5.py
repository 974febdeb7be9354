"""Handwritten faults of deliverable 5, class activation maps. A new one is one entry in `MUTANTS`."""

from grader.assignments.hw3.deliverable5 import DELIVERABLE_5
from grader.selfcheck.catalogue.edits import several
from grader.selfcheck.mutant import Mutant
from grader.selfcheck.submissions.deliverable5 import NARROW_CAM as CAM

MAPS = ("cam.map", "cam.class", "cam.idx")
SHOWN = (*MAPS, "cam.quadrant")
# What is judged by the map at all.
WHOLE = (*SHOWN, "cam.scaled", "cam.evaluation", "cam.randomised")
ALL = tuple(check.id for check in DELIVERABLE_5.checks if check.points)

EMBEDDED = "features, logits = net(inputs, return_embed=True)"
PREDICTED = "logits[idx].argmax()"
SUM = "net.fc.weight[predicted], features[idx]"
SMALL = "small[None, None]"
LARGE = 'F.interpolate(small[None, None], size=(32, 32), mode="bilinear", align_corners=False)[0, 0]'
UNIT = "large = (large - large.min()) / (large.max() - large.min())"
RESCALED = f"    {UNIT}\n"
RETURNED = "return large.numpy(), img.numpy()"
PIXELS = "(inputs[idx] * STD + MEAN) * 255"
BYTES = "img.round().clamp(0, 255).byte().permute(1, 2, 0)"
MODE = "    net.train(was_training)\n"


def _edges() -> dict[str, str]:
    """The edges of the image, which have nothing to do with the network."""
    edges = "edges = img.float().mean(2).diff(dim=0, prepend=torch.zeros(1, 32)).abs()"
    unit = "(edges - edges.min()) / (edges.max() - edges.min())"
    return several(CAM, (RETURNED, f"{edges}\n    return ({unit}).numpy(), img.numpy()"))


CLASS_FAULTS = (
    Mutant("label's class in place of the predicted one", CAM, PREDICTED, "labels[0 if len(labels) == 1 else idx]",
           ("cam.class",), "your map is that of the label's class"),
    Mutant("least probable class", CAM, PREDICTED, "logits[idx].argmin()", SHOWN, "this is the map of class",
           ("cam.quadrant",)),
    Mutant("second class", CAM, PREDICTED, "logits[idx].topk(2).indices[1]", SHOWN, "this is the map of class",
           ("cam.quadrant",)),
    Mutant("always class 0", CAM, PREDICTED, "0", SHOWN, "this is the map of class 0", ("cam.map", "cam.quadrant")),
    Mutant("first image's class", CAM, PREDICTED, "logits[0].argmax()", ("cam.idx",), "this is the map of class"),
    Mutant("always the first image", CAM, "inputs, labels, idx):\n", "inputs, labels, idx):\n    idx = 0\n",
           ("cam.idx", "cam.image", "cam.quadrant"), "this is the map of image 0", also=("this is image 0",)),
    Mutant("map of the first image", CAM, "features[idx]", "features[0]", ("cam.idx", "cam.quadrant"),
           "this is the map of image 0"),
    Mutant("the image after", CAM, "features[idx]", "features[(idx + 1) % len(features)]", ("cam.idx", "cam.quadrant"),
           "this is the map of image"),
)  # fmt: skip

MAP_FAULTS = (
    Mutant("without the weights", CAM, SUM, "torch.ones(len(features[0])), features[idx]", SHOWN,
           "without the linear layer's weights"),
    Mutant("greatest feature", CAM, f'torch.einsum("c,chw->hw", {SUM})', "features[idx].amax(0)", SHOWN,
           "the greatest feature", ("cam.randomised",)),
    Mutant("positive weights only", CAM, "weight[predicted]", "weight[predicted].relu()", MAPS,
           "weights below 0 are left out"),
    Mutant("weights without signs", CAM, "weight[predicted]", "weight[predicted].abs()", MAPS, "without their signs"),
    Mutant("map transposed", CAM, SMALL, "small.T[None, None]", SHOWN, "the map is transposed"),
    Mutant("map upside down", CAM, SMALL, "small.flip(0)[None, None]", SHOWN, "upside down"),
    Mutant("map mirrored", CAM, SMALL, "small.flip(1)[None, None]", SHOWN, "mirrored"),
    Mutant("map negative", CAM, SMALL, "-small[None, None]", SHOWN, "the map is negative"),
    Mutant("ReLU on the map", CAM, SMALL, "small.relu()[None, None]", MAPS, "as in Grad-CAM"),
    Mutant("absolute value of the map", CAM, SMALL, "small.abs()[None, None]", MAPS, "the absolute value"),
    Mutant("map rolled by a place", CAM, SMALL, "small.roll(1, 0)[None, None]", SHOWN),
    Mutant("map smoothed", CAM, SMALL, "F.avg_pool2d(small[None, None], 3, 1, 1, count_include_pad=False)", MAPS),
    Mutant("weights of other channels", CAM, SUM, SUM.replace("[predicted]", "[predicted].roll(1)"), MAPS, "",
           ("cam.quadrant",)),
    Mutant("map after the pooling", CAM, lost=("cam.map", *WHOLE), hint="",
           instead=several(CAM, (EMBEDDED, f"{EMBEDDED}\n        features = features.mean((2, 3), keepdim=True)"),
                           ("/ (large.max() - large.min())", "/ (large.max() - large.min()).clamp(min=1e-3)"))),
    Mutant("constant map", CAM, "return large.numpy()", "return np.full((32, 32), 0.5)", WHOLE),
    Mutant("edges of the image", CAM, instead=_edges(), lost=(*MAPS, "cam.randomised", "cam.quadrant")),
    Mutant("batch statistics always", CAM, "    net.eval()\n", "    net.train()\n", (*SHOWN, "cam.undisturbed"), "",
           also=("running statistics",)),
)  # fmt: skip

SCALE_FAULTS = (
    Mutant("map not rescaled", CAM, RESCALED, "", ("cam.scaled",), "this is the sum itself"),
    Mutant("divided by the maximum only", CAM, UNIT, "large = large / large.max()", ("cam.scaled",),
           "subtract the minimum before"),
    Mutant("minimum subtracted only", CAM, UNIT, "large = large - large.min()", ("cam.scaled",),
           "divide by the maximum"),
    Mutant("map from -1 to 1", CAM, UNIT, f"{UNIT} * 2 - 1", ("cam.scaled",), "from -1 to 1"),
    Mutant("map from 0 to 255", CAM, UNIT, f"{UNIT} * 255", ("cam.scaled",), "it goes to 255"),
    Mutant("map in 8 bits", CAM, "large.numpy()", "(255 * large).byte().numpy()", ("cam.shape", "cam.scaled"),
           "", also=("it goes to 255",)),
    Mutant("map with an axis too many", CAM, "large.numpy()", "large[None].numpy()", ("cam.shape",)),
    Mutant("map not enlarged", CAM, LARGE, "small",
           ("cam.shape", "cam.scaled", "cam.evaluation", "cam.randomised", *SHOWN), "it has to be enlarged"),
    Mutant("map of half the size", CAM, LARGE, LARGE.replace("32", "16"),
           ("cam.shape", "cam.scaled", "cam.evaluation", "cam.randomised", *SHOWN)),
    Mutant("map of NaN", CAM, "large.numpy()", "large.numpy() * float('nan')",
           ("cam.shape", "cam.scaled", "cam.evaluation", "cam.randomised", *SHOWN)),
    Mutant("map alone", CAM, RETURNED, "return large.numpy()", ALL),
    Mutant("image first", CAM, RETURNED, "return img.numpy(), large.numpy()",
           ("cam.shape", *(id for id in ALL if id not in ("cam.shape", "cam.undisturbed")))),
)  # fmt: skip

IMAGE_FAULTS = (
    Mutant("image still normalised", CAM, PIXELS, "inputs[idx]", ("cam.image",), "as it is normalised"),
    Mutant("image not multiplied by 255", CAM, PIXELS, "inputs[idx] * STD + MEAN", ("cam.image",),
           "without its times 255"),
    Mutant("normalised image times 255", CAM, PIXELS, "inputs[idx] * 255", ("cam.image",),
           "the normalised image times 255"),
    Mutant("MEAN and STD swapped", CAM, PIXELS, "(inputs[idx] * MEAN + STD) * 255", ("cam.image",),
           "in each other's place"),
    Mutant("MEAN forgotten", CAM, PIXELS, "inputs[idx] * STD * 255", ("cam.image",), "without MEAN"),
    Mutant("STD forgotten", CAM, PIXELS, "(inputs[idx] + MEAN) * 255", ("cam.image",), "without STD"),
    Mutant("MEAN before STD", CAM, PIXELS, "(inputs[idx] + MEAN) * STD * 255", ("cam.image",), "+ MEAN before * STD"),
    Mutant("image rescaled by minimum and maximum", CAM, PIXELS,
           "(inputs[idx] - inputs[idx].min()) / (inputs[idx].max() - inputs[idx].min()) * 255", ("cam.image",),
           "its own minimum and maximum"),
    Mutant("blue, green, red", CAM, BYTES, f"{BYTES}.flip(2)", ("cam.image",), "red and blue swapped"),
    Mutant("image transposed", CAM, BYTES, f"{BYTES}.transpose(0, 1)", ("cam.image",), "height and width swapped"),
    Mutant("image upside down", CAM, BYTES, f"{BYTES}.flip(0)", ("cam.image",), "upside down"),
    Mutant("colours first", CAM, BYTES, BYTES.removesuffix(".permute(1, 2, 0)"), ("cam.shape", "cam.image"),
           "the colours are in the first axis"),
    Mutant("image in floating point", CAM, ".round().clamp(0, 255).byte()", ".round()", ("cam.shape", "cam.image"),
           "its dtype is not"),
    Mutant("image from 0 to 1", CAM, BYTES, "(img / 255).permute(1, 2, 0)", ("cam.shape", "cam.image"), "from 0 to 1"),
    Mutant("image of the first input", CAM, "inputs[idx] *", "inputs[0] *", ("cam.image",), "this is image 0"),
    Mutant("image reshaped where it is permuted", CAM, ".permute(1, 2, 0)", ".reshape(32, 32, 3)", ("cam.image",)),
)  # fmt: skip

MODE_FAULTS = (
    Mutant("batch normalisation left in training mode", CAM, "    net.eval()\n", "",
           ("cam.evaluation", "cam.undisturbed"), "your map is that of training mode", also=("running statistics",)),
    Mutant("network left in evaluation mode", CAM, MODE, "", ("cam.undisturbed",), "keep net.training"),
    Mutant("network left in training mode", CAM, MODE, "    net.train()\n", ("cam.undisturbed",), "keep net.training"),
    Mutant("inputs changed in place", CAM, PIXELS, "inputs[idx].mul_(STD).add_(MEAN) * 255", ("cam.undisturbed",),
           "something writes into the argument"),
    Mutant("linear layer changed", CAM, "large = F", "net.fc.weight.data.abs_()\n    large = F", ("cam.undisturbed",),
           "", ("cam.class", "cam.idx", "cam.evaluation", "cam.quadrant")),
    Mutant("gradients left on", CAM, "    with torch.no_grad():\n", "    if True:\n", ALL),
)  # fmt: skip

MUTANTS = (*CLASS_FAULTS, *MAP_FAULTS, *SCALE_FAULTS, *IMAGE_FAULTS, *MODE_FAULTS)
