"""What the checks of deliverable 5 share: a network with the grader's numbers, images, one call of `cam`."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from grader.bench import Bench, Judged
from grader.checks import replies
from grader.checks.resnet import build_network
from grader.checks.resnet_parts import Candidate, forward, give_numbers, put
from grader.declaration import Outcome
from grader.hints import below, class_map
from grader.oracles.cam import TOLERANCE, Scene, head, rounding
from grader.oracles.figure3 import SCALE, Figure3, Norm, classify
from grader.oracles.resnet_search import close
from grader.worker import Reply
from grader.worker.messages import Call, Forward, Object, Output, Plain
from grader.worker.messages import Tensor as Sent

MODULE = "train"
# ImageNet's statistics, as the assignment's `val_transform` states them.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DRAWS = 5  # of images and numbers, until rounding cannot matter


@dataclass(frozen=True)
class Stage:
    """A network in the worker, images for it, and the maps that follow.

    Args:
        net: the submission's `MyResnet`, in evaluation mode.
        pixels: uint8 (N, S, S, 3), the images.
        truth: features, weight and predicted classes, from which the maps are computed here.
    """

    net: Candidate
    pixels: Tensor
    truth: Scene

    @property
    def inputs(self) -> Tensor:
        """The images, normalised: float32 (N, 3, S, S)."""
        return normalised(self.pixels)


def normalised(pixels: Tensor) -> Tensor:
    """uint8 (N, S, S, 3) → float32 (N, 3, S, S), as the assignment's `val_transform` does it."""
    mean, std = (torch.tensor(values).reshape(-1, 1, 1) for values in (MEAN, STD))
    return (((pixels.permute(0, 3, 1, 2).float() / 255) - mean) / std).contiguous()


def stage(bench: Bench, figure: Figure3, purpose: str, count: int) -> Stage:
    """Test images in front of a network that predicts another class for each.

    The features are the network's own; the linear layer is set such that the classes follow by a
    margin. Ends the check where the network does not compute its logits from these features.

    Args:
        bench: with the submission.
        figure: the network that is judged.
        purpose: of the drawing.
        count: N, how many images; at most the number of classes.
    """
    net = build_network(bench, figure)
    for draw in range(DRAWS):
        name = f"{purpose} {draw}"
        generator = torch.Generator().manual_seed(bench.check_seed(f"{name} scene"))
        images = bench.data().test_images
        chosen = torch.randperm(len(images), generator=generator)[:count].numpy()
        pixels = torch.from_numpy(images[chosen])
        predicted = torch.randperm(figure.classes, generator=generator)[:count]
        give_calm_numbers(bench, net, name)
        _, features = seen(bench, figure, net, normalised(pixels))
        weight = head(features, predicted, figure.classes, generator)
        set_head(bench, net, weight)
        made = Stage(net, pixels, Scene(features, weight, predicted))
        worst = max(
            rounding(image, weight[label]) for image in features for label in range(figure.classes)
        )
        if worst <= TOLERANCE / 2:
            logits, _ = seen(bench, figure, net, made.inputs)
            expected = classify(features, weight, torch.zeros(figure.classes).double())
            if not close(logits, expected) or not torch.equal(expected.argmax(1), predicted):
                raise resting("its logits are not the average of the returned map through the linear layer")
            return made
    raise resting("its last feature map is the same everywhere, so that no map can be judged")


def give_calm_numbers(bench: Bench, net: Candidate, purpose: str) -> None:
    """The grader's numbers for a network, with normalisations for images of usual size.

    `give_numbers` reckons with images fifteen times as large; under its shifts, all normalised
    images would look alike.
    """
    norms = give_numbers(bench, net, purpose).norms
    values: dict[str, Tensor] = {}
    for names, norm in zip(net.known().norms, norms, strict=False):
        calm = Norm(norm.scale / SCALE, norm.shift / SCALE, norm.mean / SCALE, norm.variance / SCALE**2)
        for role in ("scale", "shift", "mean", "variance"):
            values[getattr(names, role)] = getattr(calm, role).float()
    put(bench, net, values)


def set_head(bench: Bench, net: Candidate, weight: Tensor, bias: Tensor | None = None) -> None:
    """Set the linear layer; its bias is 0 if none is given."""
    shapes = {slot.name: slot.shape for slot in net.slots}
    bias = torch.zeros(len(weight)) if bias is None else bias
    put(
        bench,
        net,
        {
            name: value.float().reshape(shapes[name])
            for name, value in zip(net.known().linear, (weight, bias), strict=True)
        },
    )


def seen(
    bench: Bench, figure: Figure3, net: Candidate, inputs: Tensor, *, train: bool = False
) -> tuple[Tensor, Tensor]:
    """Logits and last feature map of images, both float64; in evaluation mode unless told otherwise."""
    reply = forward(bench, net, inputs, train=train, return_embed=Plain(True))
    wanted = ((len(inputs), figure.classes), (len(inputs), figure.linear[1], *2 * (figure.map_size,)))
    by_shape = {
        tuple(value.shape or ()): reply.arrays[value.index].double()
        for value in replies.result(reply).outputs
        if value.index is not None
    }
    if set(by_shape) != set(wanted):
        raise resting(f"return_embed=True does not give logits {wanted[0]} and the feature map {wanted[1]}")
    logits, features = (by_shape[shape] for shape in wanted)
    return logits, features


def resting(why: str) -> Judged:
    """The end of a check that rests on what deliverable 3 should have given."""
    return Judged(Outcome("not-run", f"rests on MyResnet, which deliverable 3 judges: {why}"))


def set_mode(bench: Bench, net: Candidate, *, training: bool) -> None:
    """Leave a network in training or evaluation mode."""
    replies.result(
        bench.ask(MODULE, Forward(net.handle, [Plain(training)], method="train", train=training))
    )


def call(bench: Bench, net: Candidate, inputs: Tensor, labels: Tensor, idx: int) -> tuple[Reply, list[Output]]:
    """`cam(net, inputs, labels, idx)`: the reply, and its two values; ends the check where it raised."""
    request = Call(
        module=MODULE, name="cam", args=[Object(net.handle), Sent(0), Sent(1), Plain(idx)]
    )  # fmt: skip
    reply = bench.ask(MODULE, request, [inputs, labels])
    message = replies.result(reply)
    if not message.sequence or len(message.outputs) != 2:
        found = f"a sequence of {len(message.outputs)}" if message.sequence else message.outputs[0].type
        raise Judged(Outcome("fail", f"cam returned {found}; expected the pair (cam_img, img)"))
    return reply, message.outputs


def cam_image(figure: Figure3, reply: Reply, outputs: Sequence[Output]) -> Tensor:
    """The map that `cam` returned, (S, S), float64; ends the check where it has another shape."""
    size = (figure.image_size, figure.image_size)
    answer = _array(reply, outputs[0], "cam_img")
    if tuple(answer.squeeze().shape) != size:
        reason = f"cam_img has shape {tuple(answer.shape)}; expected {size}"
        raise Judged(Outcome("fail", below(reason, class_map.of_shape(tuple(answer.shape), figure.map_size))))
    answer = answer.squeeze().double()
    if not answer.isfinite().all():
        raise Judged(Outcome("fail", "cam_img holds values that are not finite (NaN or infinite)"))
    return answer


def picture(figure: Figure3, reply: Reply, outputs: Sequence[Output]) -> Tensor:
    """The image that `cam` returned, uint8 (S, S, 3); ends the check where it is something else."""
    answer = _array(reply, outputs[1], "img")
    wanted = (figure.image_size, figure.image_size, figure.in_channels)
    if answer.dtype != torch.uint8 or tuple(answer.shape) != wanted:
        reason = (
            f"img is {answer.dtype} {tuple(answer.shape)}; expected uint8 {wanted}: times STD, plus "
            "MEAN, times 255, rounded, with the colours in the last axis"
        )
        said = class_map.of_image_form(answer, figure.image_size, figure.in_channels)
        raise Judged(Outcome("fail", below(reason, said)))
    return answer


def _array(reply: Reply, output: Output, name: str) -> Tensor:
    if output.index is None:
        detail = f" ({output.detail})" if output.detail else ""
        raise Judged(Outcome("fail", f"{name} is a {output.type}{detail}; expected a numpy array"))
    return reply.arrays[output.index]
