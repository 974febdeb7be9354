"""Checks of `MyFConv2D` and `MyConv2D`: values, gradients, parameters."""

from dataclasses import replace

import torch
from hypothesis.strategies import SearchStrategy

from grader.declaration import Outcome
from grader.bench import Bench, Judged
from grader.checks import lazy, replies
from grader.checks.cases import all_cases
from grader.hints.convolution import SUBJECT
from grader.oracles.convolution import Answer, ConvolutionCase, judge
from grader.worker.messages import (
    Build,
    Built,
    Call,
    Forward,
    GetParameters,
    Parameters,
    Plain,
    SetParameters,
    Slot,
    Tensor,
)

MODULE = "mytorch"
OPERANDS = ("input", "weight", "bias")


def function(
    strategy: SearchStrategy, *, parts: tuple[str, ...] = ("output",), first=(), leave_out: bool = False
):
    """A check of `MyFConv2D` on drawn cases.

    Args:
        strategy: of `ConvolutionCase`.
        parts: what is judged: "output", or gradients such as "input_grad".
        first: cases that are always tried.
        leave_out: whether arguments that have their default value are not given.
    """

    def answer(bench: Bench, case: ConvolutionCase, parts: tuple[str, ...]) -> Answer:
        differentiate = parts != ("output",)
        tensors = case.tensors()
        given = [name for name in OPERANDS if name in tensors]
        args = [
            Tensor(
                index=place,
                requires_grad=differentiate,
                layout=case.layout if name == "input" else "contiguous",
            )
            for place, name in enumerate(given)
        ]
        no_bias = [] if case.bias or leave_out else [Plain(None)]
        steps = case.not_default() if leave_out else {"stride": case.stride, "padding": case.padding}
        reply = bench.ask(
            MODULE,
            Call(
                module=MODULE,
                name="MyFConv2D",
                args=[*args, *no_bias],
                kwargs={name: Plain(step) for name, step in steps.items()},
                grad_outputs=[len(given)] if differentiate else [],
                gradients=list(range(len(given))) if differentiate else [],
            ),
            [tensors[name] for name in given] + [tensors["grad_output"]] * differentiate,
        )
        changed = tuple(given[place] for place in replies.result(reply).changed_inputs)
        gradients = {
            f"{name}_grad": replies.gradient(reply, place)
            for place, name in enumerate(given)
            if differentiate
        }
        return Answer(replies.output(reply), changed=changed, **gradients)

    return all_cases(
        strategy,
        answer,
        judge,
        ConvolutionCase.shortest if leave_out else ConvolutionCase.functional,
        parts=parts,
        subject=SUBJECT,
        first=first,
    )


def layer(strategy: SearchStrategy, *, parts: tuple[str, ...] = ("output",), first=()):
    """A check of `MyConv2D` on drawn cases with square kernels, with parameters set by the grader."""

    def answer(bench: Bench, case: ConvolutionCase, parts: tuple[str, ...]) -> Answer:
        differentiate = parts != ("output",)
        tensors = case.tensors()
        names = _build(bench, case)
        bench.ask(
            MODULE,
            SetParameters(handle="layer", names=[slot.name for slot in names.values()]),
            [tensors[role].reshape(slot.shape) for role, slot in names.items()],
        )
        reply = bench.ask(
            MODULE,
            Forward(
                handle="layer",
                args=[Tensor(index=0, requires_grad=differentiate, layout=case.layout)],
                grad_outputs=[1] if differentiate else [],
                gradients=[0] if differentiate else [],
                parameter_gradients=differentiate,
            ),
            [tensors["input"]] + [tensors["grad_output"]] * differentiate,
        )
        message = replies.result(reply)
        answers = {}
        if differentiate:
            answers["input_grad"] = replies.gradient(reply, 0)
            for role, slot in names.items():
                index = message.parameter_gradients.get(slot.name)
                gradient = None if index is None else reply.arrays[index]
                if gradient is not None and list(gradient.shape) == list(slot.shape):
                    gradient = gradient.reshape(tensors[role].shape)
                answers[f"{role}_grad"] = gradient
        changed = ("input",) if message.changed_inputs else ()
        return Answer(replies.output(reply), changed=changed, **answers)

    return all_cases(
        strategy,
        answer,
        judge,
        ConvolutionCase.module,
        parts=parts,
        subject=SUBJECT,
        first=first,
    )


def parameters(bench: Bench) -> Outcome:
    """`MyConv2D` registers a weight and a bias, and no bias where none is asked for."""
    for bias in (True, False):
        case = ConvolutionCase(1, 3, 8, 8, 5, 3, 3, bias=bias)
        _build(bench, case)
    _build(bench, replace(case, bias=True), unsaid=True)
    return Outcome("pass")


def initialisation(bench: Bench) -> Outcome:
    """Two fresh layers: finite, spread out, and not the same numbers twice.

    The weight has 4,608 elements: independent draws from any continuous distribution collide
    in all of them with probability 0, so there is no false alarm to state.
    """
    case = ConvolutionCase(1, 16, 8, 8, 32, 3, 3)
    drawn = []
    for _ in range(2):
        _build(bench, case)
        reply = bench.ask(MODULE, GetParameters(handle="layer"))
        slot = _roles(replies.expect(reply, Parameters).parameters, case)["weight"]
        if slot.index is None:
            return Outcome("fail", "a fresh weight has no values that can be read: is it on the meta device?")
        weight = reply.arrays[slot.index].double()
        if not torch.isfinite(weight).all():
            return Outcome("fail", "a fresh weight has values that are not finite: uninitialised?")
        if weight.std() == 0:
            return Outcome(
                "fail",
                f"every element of a fresh weight is {weight.flatten()[0]:g}; all filters would "
                "learn the same: draw them at random",
            )
        drawn.append(weight)
    if torch.equal(*drawn):
        return Outcome("fail", "two fresh layers have the very same weight: draw it at random")
    return Outcome("pass")


def _build(bench: Bench, case: ConvolutionCase, *, unsaid: bool = False) -> dict[str, Slot]:
    """Construct the case's layer as "layer"; role ("weight", "bias") → parameter slot.

    Args:
        bench: where the submission is.
        case: what the layer computes.
        unsaid: leave it to the layer whether it has a bias.
    """
    reply = bench.ask(
        MODULE,
        Build(
            module=MODULE,
            name="MyConv2D",
            handle="layer",
            args=[Plain(case.in_channels), Plain(case.out_channels), Plain(case.kernel_height)],
            kwargs={
                "stride": Plain(case.stride),
                "padding": Plain(case.padding),
                **({} if unsaid else {"bias": Plain(case.bias)}),
            },
        ),
    )
    message = replies.expect(reply, Built)
    if not message.is_module:
        raise Judged(Outcome("fail", f"MyConv2D(…) made a {message.type}, not an nn.Module"))
    slots = message.parameters
    if not slots or lazy.waiting(slots):
        slots = lazy.made(bench, MODULE, "layer", (1, *case.input_shape[1:])).parameters
    return _roles(slots, case)


def _roles(slots: list[Slot], case: ConvolutionCase) -> dict[str, Slot]:
    """Which parameter is the weight and which the bias, by their number of elements."""
    wanted = {"weight": case.weight_shape} | ({"bias": (case.out_channels,)} if case.bias else {})
    shapes = {slot.name: tuple(slot.shape) for slot in slots}
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "none"
    unsaid = "; a layer has a bias unless it is told otherwise"
    roles, remaining = {}, list(slots)
    for role, shape in wanted.items():
        size = torch.Size(shape).numel()
        # The weight has four dimensions wherever its size does not tell it from the bias.
        fits = [slot for slot in remaining if torch.Size(slot.shape).numel() == size]
        fits.sort(key=lambda slot: len(slot.shape), reverse=role == "weight")
        if not fits:
            raise Judged(
                Outcome(
                    "fail",
                    f"no parameter of shape {shape} for the {role}: found {listed} (assign "
                    f"nn.Parameter(…) to an attribute in __init__{unsaid if role == 'bias' else ''})",
                )
            )
        roles[role] = fits[0]
        remaining.remove(fits[0])
    if remaining:
        extra = ", ".join(f"{slot.name} {tuple(slot.shape)}" for slot in remaining)
        asked = "" if case.bias else " with bias=False"
        raise Judged(Outcome("fail", f"parameters{asked} that a convolution does not have: {extra}"))
    frozen = [slot.name for slot in roles.values() if not slot.requires_grad]
    if frozen:
        raise Judged(
            Outcome("fail", f"{' and '.join(frozen)} would not be trained: requires_grad is False")
        )
    return roles
