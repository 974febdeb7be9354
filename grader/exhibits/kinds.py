"""The kinds of exhibits: a closed list, each holding the data of a figure and nothing drawn.

They are part of the result, so that every face can be made later from its JSON. Pixels are bytes,
which JSON holds in base64.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(max_length=200)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Side = Annotated[int, msgspec.Meta(ge=1, le=1024)]


class _Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all parts share: strictness."""


class _Exhibit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all exhibits share: the tag that tells them apart, and their words.

    Args:
        title: one line above the figure.
        note: what was measured, on what, by whom; below the figure.
    """

    title: str
    note: str


# ---------------------------------------------------------------------------- rates
class Rate(_Data):
    """In how many of some cases something succeeded, at one place of the axis."""

    at: float
    reached: Count
    of: Annotated[int, msgspec.Meta(ge=1)]

    @property
    def value(self) -> float:
        """From 0 to 1."""
        return self.reached / self.of


class RateCurve(_Data):
    """One line of a figure of rates.

    Args:
        series: what is measured, the same for lines that belong together: "targeted_attack".
        against: what it is measured on: "model A".
        points: in the order of the axis.
        ended: why there are no more of them; empty where all are there.
    """

    series: Name
    against: Name
    points: list[Rate]
    ended: str = ""


class Rates(_Exhibit, tag="rates"):
    """Rates of success against one quantity; `axis` and `rate` say which, with units."""

    axis: str
    rate: str
    curves: list[RateCurve]


# --------------------------------------------------------------------------- curves
class Curve(_Data):
    """One quantity after each epoch, from the first one on; null where it was no finite number."""

    quantity: Literal["loss", "accuracy"]  # mean cross-entropy in nats; fraction in [0, 1]
    images: Literal["training", "validation"]
    label: Name
    values: list[float | None]


class Curves(_Exhibit, tag="curves"):
    """Curves of a training that is not the deliverable's own `training`.

    Args:
        required: validation accuracy that is asked for, in [0, 1]; None where it does not apply.
        claimed: whether these are the submission's own words, which the grader did not measure.
    """

    curves: list[Curve]
    required: Share | None = None
    claimed: bool = False


# ------------------------------------------------------------------------- pictures
class Picture(_Data):
    """A small image: one byte per pixel and channel, row by row."""

    height: Side
    width: Side
    channels: Literal[1, 3]  # grey; red, green, blue
    pixels: bytes

    def __post_init__(self) -> None:
        wanted = self.height * self.width * self.channels
        if len(self.pixels) != wanted:
            raise ValueError(
                f"a picture of {self.height}×{self.width}×{self.channels}: expected {wanted} bytes "
                f"of pixels, found {len(self.pixels)}"
            )


class Captioned(_Data):
    """A picture and the words below it."""

    picture: Picture
    caption: Name = ""


class Row(_Data):
    """Pictures side by side; the rows of one exhibit are as long as each other and belong together."""

    label: Name
    pictures: list[Captioned]


class Pictures(_Exhibit, tag="pictures"):
    """Rows of small images."""

    rows: list[Row]


# ----------------------------------------------------------------------------- maps
class Map(_Data):
    """A map over an image, from 0 (dark) to 255.

    Args:
        caption: of which class, by whom.
        picture: of one channel, of the image's size.
    """

    caption: Name
    picture: Picture


class Mapped(_Data):
    """An image and one or more maps over it."""

    image: Picture
    caption: Name
    maps: list[Map]


class Maps(_Exhibit, tag="maps"):
    """Images, maps over them, and (drawn by whoever shows it) both blended."""

    items: list[Mapped]


class Missing(_Exhibit, tag="missing"):
    """An exhibit that could not be had; the note says why."""


Exhibit = Rates | Curves | Pictures | Maps | Missing
