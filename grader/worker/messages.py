"""Every message that the grader and a worker exchange: a closed list.

Requests go to the worker, replies come back. Each is a strict struct with a tag;
a message with an unknown tag, an unknown field or a value of another type is refused
by the decoder. Arrays travel beside the header and are named by their index in it.

Used on both sides, so it imports nothing of this project but its sibling.
"""

from typing import Annotated, Literal

import msgspec

from .protocol import Index, Size, Text

Name = Annotated[str, msgspec.Meta(max_length=128, pattern=r"^[\w.]+$")]
# "transposed": the last two axes swapped in memory; "sliced": every other element of a row.
Layout = Literal["contiguous", "channels_last", "transposed", "sliced"]


class _Message(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind"):
    """What all messages share: strictness, and the tag that tells them apart."""


# ------------------------------------------------------------------ values in a request
class Tensor(_Message, tag="tensor"):
    """Array `index` of the frame, laid out in memory as `layout` says."""

    index: Index
    requires_grad: bool = False
    layout: Layout = "contiguous"


class Plain(_Message, tag="plain"):
    """A number, a truth value, a text or None."""

    value: bool | int | float | str | None


class Values(_Message, tag="values"):
    """A list or tuple of values."""

    items: list["Value"]
    tuple: bool = True


class Object(_Message, tag="object"):
    """Something that an earlier `Build` of this session made."""

    handle: Name


class Named(_Message, tag="named"):
    """What a module of the submission calls `name`, such as a function to be passed on."""

    module: Name
    name: Name


Value = Tensor | Plain | Values | Object | Named


# ---------------------------------------------------------------------------- requests
class Load(_Message, tag="load"):
    """Import one module of the submission. Reply: `Loaded`."""

    module: Name


class Call(_Message, tag="call"):
    """Call `module.name`. Reply: `Result`.

    `grad_outputs` names the upstream gradient of each output (arrays of this frame);
    with them, the gradients with respect to the tensors in `gradients` come back.
    """

    module: Name
    name: Name
    args: list[Value] = []
    kwargs: dict[str, Value] = {}
    grad_outputs: list[Index] = []
    gradients: list[Index] = []


class Build(_Message, tag="build"):
    """Keep `module.name(*args, **kwargs)` under `handle`. Reply: `Built`."""

    module: Name
    name: Name
    handle: Name
    args: list[Value] = []
    kwargs: dict[str, Value] = {}


class SetParameters(_Message, tag="set-parameters"):
    """Copy this frame's arrays into the parameters or buffers `names`. Reply: `Done`."""

    handle: Name
    names: list[str]


class LoadWeights(_Message, tag="load-weights"):
    """Load a network's numbers from a file, which is this frame's one array of bytes. Reply: `Done`.

    Only numbers are read: "pickle" is torch's format with `weights_only`. Missing, surplus or
    misshapen ones raise.
    """

    handle: Name
    format: Literal["safetensors", "pickle"]


class GetParameters(_Message, tag="get-parameters"):
    """All parameters and buffers of an object. Reply: `Parameters`."""

    handle: Name


class Forward(_Message, tag="forward"):
    """Call an object, or one of its methods. Reply: `Result`."""

    handle: Name
    args: list[Value] = []
    kwargs: dict[str, Value] = {}
    method: Name = "__call__"
    train: bool = True
    no_grad: bool = False
    grad_outputs: list[Index] = []
    gradients: list[Index] = []
    parameter_gradients: bool = False


class Draws(_Message, tag="draws"):
    """Call the seeding function, then draw from torch, numpy and random. Reply: `Drawn`."""

    module: Name
    name: Name
    seed: int


class Train(_Message, tag="train"):
    """Train the submission's network with the submission's own loop.

    The frame's arrays: uint8 images (N, H, W) or (N, H, W, C), integer labels (N,), then
    one uint8 image array per evaluation. The loop is given normalised images (N, C, H, W), or
    uint8 ones where it `augments` and normalises them itself; evaluations are normalised always.
    Replies: `Epoch` after each epoch, `Trained` at the end.
    """

    module: Name
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    seed: int
    mean: list[float]  # per channel, of pixel values in [0, 1]
    std: list[float]
    handle: Name = "train"
    network: Name = "Net"
    network_module: Name | None = None  # where that is; None: where the loop is
    seeding: Name | None = "setup_seed"
    kept: Name = "trained"  # the handle that the network has afterwards, on the CPU
    augments: bool = False
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 100  # of the evaluations; no larger than what trainings use


class Layer(_Message, tag="layer"):
    """One layer of a network that the grader describes; `weight` and `bias` are arrays of the frame."""

    type: Literal["conv2d", "max_pool2d", "relu", "dropout2d", "dropout", "flatten", "linear"]
    weight: Index | None = None  # of conv2d and linear, with bias
    bias: Index | None = None
    size: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 2  # window and stride of max_pool2d


class Attack(_Message, tag="attack"):
    """Call `module.name(network, *args, **kwargs)`, an attack on a described network. Reply: `Attacked`.

    Backward passes are counted per image of array `images`; a row of a batch belongs to the
    image that is nearest in L∞, if that lies within `reach` of it.
    """

    module: Name
    name: Name
    layers: list[Layer]
    images: Index
    reach: float
    args: list[Value] = []
    kwargs: dict[str, Value] = {}


Request = Load | Call | Build | SetParameters | LoadWeights | GetParameters | Forward | Draws | Train | Attack


# ----------------------------------------------------------------------------- replies
class Frame(_Message, tag="frame"):
    """One line of the submission in a traceback."""

    file: Text
    line: int
    function: Text
    source: Text


class Hit(_Message, tag="hit"):
    """A forbidden operator was reached; the line is the submission's, if one was found."""

    operator: Text
    file: Text | None = None
    line: int | None = None
    source: Text | None = None

    def __str__(self) -> str:
        if self.file is None:
            return f"{self.operator} (reached outside of the submission's own lines)"
        return f"{self.operator} at {self.file}:{self.line}: {self.source}"


class Raised(_Message, tag="raised"):
    """The submission's code raised; `forbidden` if it was for a forbidden operator."""

    type: Text
    message: Text
    frames: list[Frame] = []
    forbidden: bool = False

    def __str__(self) -> str:
        where = f" ({self.frames[-1].file}:{self.frames[-1].line}: {self.frames[-1].source})" if self.frames else ""
        return f"{self.type}: {self.message}{where}"


class Public(_Message, tag="public"):
    """One public name of a module."""

    name: Text
    what: Literal["function", "class", "other"]
    signature: Text = ""
    is_module: bool = False  # a subclass of torch.nn.Module


class Loaded(_Message, tag="loaded"):
    """The module was imported."""

    names: list[Public]


class Output(_Message, tag="output"):
    """One value that the submission returned; `index` is None where it was not sent."""

    type: Text
    index: Index | None = None
    shape: list[Size] | None = None
    dtype: Text | None = None
    requires_grad: bool = False
    detail: Text = ""  # why it was not sent


class Result(_Message, tag="result"):
    """What a call returned.

    `sequence` says that it was a list or tuple, whose items are `outputs`. `gradients`
    and `parameter_gradients` are indices of arrays, None where there is no gradient.
    `changed_inputs` are the arrays that were no longer the same after the call.
    """

    outputs: list[Output]
    sequence: bool = False
    gradients: list[Index | None] = []
    parameter_gradients: dict[str, Index | None] = {}
    backward: Raised | None = None
    changed_inputs: list[Index] = []


class Slot(_Message, tag="slot"):
    """One parameter or buffer; `index` where its values were sent along.

    A lazy one gets its shape, and its numbers, at the first forward pass.
    """

    name: Text
    shape: list[Size]
    dtype: Text
    requires_grad: bool = False
    index: Index | None = None
    lazy: bool = False


class Built(_Message, tag="built"):
    """An object exists under its handle."""

    type: Text
    is_module: bool
    parameters: list[Slot] = []
    buffers: list[Slot] = []


class Parameters(_Message, tag="parameters"):
    """The values of all parameters and buffers, and whether the network is in training mode."""

    parameters: list[Slot]
    buffers: list[Slot]
    training: bool = False


class Done(_Message, tag="done"):
    """Carried out; there is nothing to say."""


class Drawn(_Message, tag="drawn"):
    """Three arrays: torch.rand(4), numpy.random.rand(4), four of random.random()."""


class Observed(_Message, tag="observed"):
    """What passed through the network since the last epoch.

    Three arrays, None where they could not be had: `rows` (n,), images of each backward pass; `values` and
    `gradients` (R, K), outputs and what came back to them, pass after pass.
    """

    forward: Size  # images that passed forward
    backward: Size  # images whose gradient came back
    updates: Size  # backward passes before which the parameters had been changed
    stale: Size  # of these, passes whose gradients were added to those of the pass before
    rows: Index | None = None
    values: Index | None = None
    gradients: Index | None = None


class Epoch(_Message, tag="epoch"):
    """One epoch is over: the student's own figures, the network's outputs, and what was seen of the training."""

    epoch: int
    loss: float | None  # None: not a finite number
    accuracy: float | None
    logits: list[Output]  # one per evaluation
    observed: Observed | None = None


class Trained(_Message, tag="trained"):
    """The training loop returned."""

    epochs_reported: int
    final_logits: list[Output]  # of the network as it was when the loop returned


class Attacked(_Message, tag="attacked"):
    """What an attack returned, and what it took.

    `passes` is the array (N,) of backward passes per image; `stray` counts rows that were
    differentiated and are near no image.
    """

    output: Output
    passes: Index
    stray: Size
    sequence: bool = False
    changed_inputs: list[Index] = []


class Refused(_Message, tag="refused"):
    """The request cannot be carried out as it stands, and why."""

    reason: Text


Message = Loaded | Result | Built | Parameters | Done | Drawn | Epoch | Trained | Attacked | Raised | Refused
