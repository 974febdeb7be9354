"""HW3's Figure 1 as a plain CNN."""

from dataclasses import dataclass

from grader.oracles.plain_cnn import PlainCNN, Stage


@dataclass(frozen=True)
class Figure1:
    """The network that is judged; edit it together with the reference's own."""

    image_size: int = 28  # pixels, height and width
    in_channels: int = 1  # grey
    out_channels: tuple[int, ...] = (3, 6)  # one convolution each, then ReLU, then max-pooling
    kernel_size: int = 3
    stride: int = 1
    padding: int = 1
    pool_size: int = 2  # window and stride of each max-pooling
    hidden: int = 128  # units between the two linear layers, with ReLU
    classes: int = 10

    def network(self) -> PlainCNN:
        """Its layers."""
        filters = {"kernel_size": self.kernel_size, "stride": self.stride, "padding": self.padding}
        pooling = {"pool_size": self.pool_size, "pool_stride": self.pool_size}
        stages = tuple(Stage(out_channels=channels, **filters, **pooling) for channels in self.out_channels)
        return PlainCNN("Net", "Figure 1", self.in_channels, self.image_size, stages, self.hidden, self.classes)
