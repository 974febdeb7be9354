"""Checks of deliverable 5's `cam`: the map against the one that the grader computes, and sanity checks.

No check rests on chance: every map is computed anew in float64 from the features that the network
itself returns and the linear layer that the grader set, and numbers are drawn again where rounding
could matter. Labels are sent, since the handle takes them; the map must not depend on them.

Reference: Zhou et al., CVPR 2016; Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from grader.bench import Bench, Judged
from grader.checks import replies
from grader.checks.cam_scene import (
    MEAN,
    STD,
    Stage,
    call,
    cam_image,
    give_calm_numbers,
    normalised,
    picture,
    resting,
    seen,
    set_head,
    set_mode,
    stage,
)
from grader.checks.resnet import build_network
from grader.checks.resnet_parts import Candidate, bulky, put
from grader.declaration import Outcome
from grader.hints import asking, below, class_map
from grader.oracles import evidence
from grader.oracles.cam import CONSTANT, TOLERANCE, Scene, agrees, apart, constant, unit
from grader.oracles.figure3 import Figure3, fresh_norm
from grader.worker.messages import GetParameters, Parameters

IMAGES = 4
# A map that reaches 0 and 1 before it is enlarged may miss them by so much after: (15/16)² of a peak
# is left by bilinear interpolation from 4×4 to 32×32.
MISSED = 0.13
# Mean differences of two maps in [0, 1]: of the right ones, in whatever way they are enlarged, and of
# the ones that came. What lies between leaves room for overshoot that was cut off and for 8 bits.
OTHER_MAP, SAME_MAP = 0.15, 0.08
DRAWS = 20  # of other numbers, until the right maps are so far apart
FORCED = 1000.0  # a bias that no logit comes up to
RUNNING = (
    "these are running statistics, which move in training mode only: call net.eval() before the network is used"
)


@dataclass(frozen=True)
class Cam:
    """The checks of `cam` with the `MyResnet` of a figure; each method is one check."""

    figure: Figure3

    def shape(self, bench: Bench) -> Outcome:
        """A pair: a floating map of the image's size, and the image in uint8."""
        at = stage(bench, self.figure, "shape", 1)
        reply, outputs = call(bench, at.net, at.inputs, at.truth.predicted, 0)
        size = self.figure.image_size
        answer = cam_image(self.figure, reply, outputs)
        found = reply.arrays[outputs[0].index]
        if tuple(found.shape) != tuple(answer.shape) or not found.is_floating_point():
            return Outcome(
                "fail",
                f"cam_img is {found.dtype} {tuple(found.shape)}; expected floating {(size, size)}",
            )
        picture(self.figure, reply, outputs)
        return Outcome("pass")

    def scaled(self, bench: Bench) -> Outcome:
        """Each map goes from 0 to 1, by its own least and greatest value."""
        at = stage(bench, self.figure, "scaled", IMAGES)
        for idx in range(IMAGES):
            answer = self._map(bench, at, idx)
            low, high = answer.min().item(), answer.max().item()
            # A value outside of [0, 1] by rounding is no fault.
            if not (-1e-6 <= low <= MISSED and 1 - MISSED <= high <= 1 + 1e-6):
                reason = (
                    f"cam_img of image {idx} of {IMAGES} goes from {low:.3g} to {high:.3g}; expected 0 to 1: "
                    "(map - map.min()) / (map.max() - map.min()); after bicubic interpolation, once more"
                )
                return Outcome("fail", below(reason, class_map.of_scale(answer, at.truth.map(idx))))
        return Outcome("pass")

    def map(self, bench: Bench) -> Outcome:
        """The map of one image for the class that the network predicts."""
        at = stage(bench, self.figure, "map", 1)
        fault = _fault(at.truth, self._map(bench, at, 0), 0)
        return Outcome("fail", fault) if fault else Outcome("pass")

    def predicted(self, bench: Bench) -> Outcome:
        """Another prediction gives another map; the labels make no difference."""
        at = stage(bench, self.figure, "class", 1)
        classes = self.figure.classes
        first = int(at.truth.predicted[0])
        second, label = (first + 1) % classes, (first + 2) % classes
        answers = []
        for predicted in (first, second):
            bias = torch.zeros(classes)
            bias[predicted] = FORCED
            set_head(bench, at.net, at.truth.weight, bias)
            told = Stage(at.net, at.pixels, Scene(at.truth.features, at.truth.weight, torch.tensor([predicted])))
            answers.append(self._map(bench, told, 0, torch.tensor([label])))
            fault = _fault(told.truth, answers[-1], 0, label)
            if fault:
                return Outcome(
                    "fail",
                    f"the network predicts class {predicted}, the label is {label}: {fault}",
                )
        return Outcome("pass")

    def each(self, bench: Bench) -> Outcome:
        """`idx` chooses the image: each has the map of its own features and its own prediction."""
        at = stage(bench, self.figure, "idx", IMAGES)
        generator = torch.Generator().manual_seed(bench.check_seed("order"))
        for idx in torch.randperm(IMAGES, generator=generator).tolist():
            fault = _fault(at.truth, self._map(bench, at, idx), idx)
            if fault:
                return Outcome("fail", f"idx={idx} of {IMAGES} images: {fault}")
        return Outcome("pass")

    def picture(self, bench: Bench) -> Outcome:
        """The second value is the image as it was before it was normalised."""
        at = stage(bench, self.figure, "picture", IMAGES)
        for idx in range(IMAGES):
            img = picture(self.figure, *call(bench, at.net, at.inputs, at.truth.predicted, idx)).int()
            # Cutting off in place of rounding is off by one.
            if (img - at.pixels[idx].int()).abs().max() <= 1:
                continue
            reason = (
                f"idx={idx} of {IMAGES} images: img differs from the image by up to "
                f"{int((img - at.pixels[idx].int()).abs().max())} grey values; "
                "expected (inputs[idx] * STD + MEAN) * 255, rounded"
            )
            mean, std = (torch.tensor(values).double().reshape(-1, 1, 1) for values in (MEAN, STD))
            return Outcome("fail", below(reason, class_map.of_image(img, at.inputs, at.pixels, idx, mean, std)))
        return Outcome("pass")

    def evaluation(self, bench: Bench) -> Outcome:
        """Right after a training, the map is still that of evaluation mode."""
        at = stage(bench, self.figure, "evaluation", IMAGES)
        answers = []
        for training in (False, True):
            set_mode(bench, at.net, training=training)
            answers.append(_shown(self._map(bench, at, IMAGES - 1)))
        if (answers[0] - answers[1]).abs().max() > TOLERANCE:
            reason = "a network in training mode gets another map than the same one in evaluation mode"
            logits, features = seen(bench, self.figure, at.net, at.inputs, train=True)
            of_batch = Scene(features, at.truth.weight, logits.argmax(1))
            said = ""
            if agrees(answers[1], of_batch.map(IMAGES - 1)):
                said = (
                    "your map is that of training mode, whose normalisations use the batch's statistics: "
                    "call net.eval() inside, so that the running ones are used"
                )
            return Outcome("fail", below(reason, said))
        return Outcome("pass")

    def undisturbed(self, bench: Bench) -> Outcome:
        """Network and images are after a call what they were before."""
        at = stage(bench, self.figure, "undisturbed", 2)
        for training in (True, False):
            set_mode(bench, at.net, training=training)
            before = _state(bench, at.net)
            reply, _ = call(bench, at.net, at.inputs, at.truth.predicted, 1)
            if replies.result(reply).changed_inputs:
                reason = "cam changes its inputs in place; work on a copy (inputs[idx].clone())"
                return Outcome("fail", below(reason, asking.WRITES))
            after = _state(bench, at.net)
            if after.keys() != before.keys():
                return Outcome("fail", "after cam, the network has other parameters or buffers than before")
            changed = [name for name, value in before.items() if not torch.equal(value, after[name])]
            if changed:
                reason = f"cam changes {', '.join(changed[:3])} of a network in {_mode(training)} mode"
                running = not {slot.name for slot in at.net.slots} & set(changed)
                return Outcome("fail", below(reason, RUNNING if running else ""))
            if _training(bench, at.net) != training:
                reason = f"a network in {_mode(training)} mode is in {_mode(not training)} mode after cam"
                said = "keep net.training at the beginning, and call net.train(…) with it at the end"
                return Outcome("fail", below(reason, said))
        return Outcome("pass")

    def randomised(self, bench: Bench) -> Outcome:
        """With other numbers in its convolutions, the network sees its class elsewhere."""
        at = stage(bench, self.figure, "randomised", 1)
        label = int(at.truth.predicted[0])
        before = _shown(self._map(bench, at, 0))
        bias = torch.zeros(self.figure.classes)
        bias[label] = FORCED
        size = self.figure.image_size
        for draw in range(DRAWS):
            give_calm_numbers(bench, at.net, f"randomised again {draw}")
            set_head(bench, at.net, at.truth.weight, bias)
            logits, features = seen(bench, self.figure, at.net, at.inputs)
            expected = Scene(features, at.truth.weight, at.truth.predicted).map(0)
            if logits.argmax() == label and apart(expected, at.truth.map(0), size) >= OTHER_MAP:
                break
        else:
            raise resting("its features do not depend on its convolutions")
        after = _shown(self._map(bench, at, 0))
        if (after - before).abs().mean() < SAME_MAP:
            return Outcome(
                "fail",
                "with other numbers in all convolutions and normalisations, the map of the same image "
                "stays what it was; expected it to come from what the network computes",
            )
        return Outcome("pass")

    def quadrant(self, bench: Bench) -> Outcome:
        """A class's evidence in one quadrant of the image lights that quadrant of the map."""
        net = build_network(bench, self.figure)
        layout = net.known()
        shapes = {slot.name: slot.shape for slot in net.slots}
        values = {
            name: value.reshape(shapes[name])
            for name, value in zip(layout.weights, evidence.convolutions(self.figure), strict=True)
        }
        for names in layout.norms:
            for role in ("scale", "shift", "mean", "variance"):
                values[getattr(names, role)] = getattr(fresh_norm(names.channels), role).float()
        put(bench, net, values | {name: torch.zeros(shape) for name, shape in layout.biases.items()})
        generator = torch.Generator().manual_seed(bench.check_seed("quadrant"))
        shown = evidence.drawn(self.figure, generator)
        set_head(bench, net, shown.weight)
        inputs = normalised(shown.pixels)
        logits, _ = seen(bench, self.figure, net, inputs)
        if not (logits.argmax(1) == shown.predicted).all():
            raise resting("it does not compute Figure 3 from the numbers that it was given")
        labels = torch.full((4,), shown.predicted)
        for idx, place in enumerate(evidence.QUADRANTS):
            answer = cam_image(self.figure, *call(bench, net, inputs, labels, idx))
            means = evidence.quadrants(_shown(answer))
            found = int(means.argmax())
            others = torch.cat([means[:idx], means[idx + 1 :]])
            if means[idx] - others.max() >= evidence.MARGIN:
                continue
            told = ", ".join(f"{name} {mean:.2f}" for name, mean in zip(evidence.QUADRANTS, means, strict=True))
            reason = (
                f"the only evidence of class {shown.predicted}, which the network predicts, is in the "
                f"{place} quadrant, but the map's means are: {told}"
            )
            lit = ""
            if found == int(shown.elsewhere[idx]):
                lit = f"; the {evidence.QUADRANTS[found]} holds the evidence of class {shown.other}"
            return Outcome("fail", reason + lit)
        return Outcome("pass")

    def _map(self, bench: Bench, at: Stage, idx: int, labels: Tensor | None = None) -> Tensor:
        """`cam_img` of image `idx`; the labels are the predictions if none are given."""
        labels = at.truth.predicted if labels is None else labels
        return cam_image(self.figure, *call(bench, at.net, at.inputs, labels, idx))


def _fault(truth: Scene, answer: Tensor, image: int, label: int | None = None) -> str:
    """Why an answer is not the map of an image, with its hint; "" if it is."""
    reason = truth.fault(answer, image)
    return reason and below(reason, class_map.hint(truth, answer, image, label))


def _shown(answer: Tensor) -> Tensor:
    """A map rescaled to [0, 1], so that a fault of scale costs its own check only; a constant one ends the check."""
    if constant(answer):
        raise Judged(Outcome("fail", CONSTANT))
    return unit(answer)


def _parameters(bench: Bench, net: Candidate) -> tuple[Parameters, list[Tensor]]:
    reply = bulky(bench, GetParameters(handle=net.handle))
    return replies.expect(reply, Parameters), reply.arrays


def _state(bench: Bench, net: Candidate) -> dict[str, Tensor]:
    """All parameters and buffers by name."""
    message, arrays = _parameters(bench, net)
    slots = (*message.parameters, *message.buffers)
    return {slot.name: arrays[slot.index] for slot in slots if slot.index is not None}


def _training(bench: Bench, net: Candidate) -> bool:
    return _parameters(bench, net)[0].training


def _mode(training: bool) -> str:
    return "training" if training else "evaluation"
