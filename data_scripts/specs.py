"""Facts about the data sets: sizes, class names, published checksums, mirrors.

The mirrors and the downloads' checksums are torchvision's own (a test compares
them); written out here because importing torchvision takes seconds, and a
machine without network is to learn that soon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Spec:
    """What a whole copy of a data set looks like.

    Args:
        name: its name on the command line and its folder below the data root.
        title: its name in reports.
        image_shape: (H, W) or (H, W, 3).
        train_count, test_count: numbers of images.
        classes: class names in label order.
        standin: the name of the synthetic set that can take its place.
        md5: published MD5 per source file; how a reader uses it is its own affair.
        mirrors: addresses that the downloads' names are put behind, tried in order.
        downloads: what to download, and each file's published MD5.
    """

    name: str
    title: str
    image_shape: tuple[int, ...]
    train_count: int
    test_count: int
    classes: tuple[str, ...]
    standin: str
    md5: Mapping[str, str] = field(default_factory=dict)
    mirrors: tuple[str, ...] = ()
    downloads: Mapping[str, str] = field(default_factory=dict)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each of the four arrays, by name."""
        return {
            "train_images": (self.train_count, *self.image_shape),
            "train_labels": (self.train_count,),
            "test_images": (self.test_count, *self.image_shape),
            "test_labels": (self.test_count,),
        }


MNIST = Spec(
    name="mnist",
    title="MNIST",
    image_shape=(28, 28),
    train_count=60_000,
    test_count=10_000,
    classes=tuple("0123456789"),
    standin="digits",
    # Of the decompressed files: the same images are in circulation under several
    # gzip streams, so the published MD5 of a .gz says nothing about a mirror's.
    md5={
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
    downloads={
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
)

CIFAR10 = Spec(
    name="cifar10",
    title="CIFAR-10",
    image_shape=(32, 32, 3),
    train_count=50_000,
    test_count=10_000,
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    standin="shapes",
    # Of the files inside cifar-10-python.tar.gz, training batches first, in order.
    md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    downloads={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
)
