"""CIFAR-10 from class folders of images, plain or in a tar archive.

Layout: `train/<class>/<image>` and `test/<class>/<image>`, at any depth of the
archive. The stored order goes through the classes in turn (first image of
each class, second of each, …), so that any first part of the set is balanced
and the order does not depend on the archive's.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from data_scripts.archives import MEND, folder_members, tar_members
from data_scripts.dataset import Arrays
from data_scripts.errors import DataError
from data_scripts.progress import progress_bar
from data_scripts.specs import Spec

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP"}
ARCHIVES = ("cifar*10*.tar", "cifar*10*.tar.gz", "cifar*10*.tgz", "cifar*10*.tar.xz", "cifar*10*.tar.bz2")
SUBFOLDERS = (".", "cifar10", "cifar-10", "CIFAR-10-images", "cifar10-jpg", "cifar10-png")
PARTS = ("train", "test")
MAX_IMAGE = 64 << 10  # bytes; 32x32 pixels need 3 KB even uncompressed, metadata may add to that


def read_images(spec: Spec, folder: Path) -> tuple[Arrays, str] | None:
    """Read CIFAR-10 from a mirror folder that holds images by class.

    Args:
        spec: sizes and class names.
        folder: the mirror.

    Returns:
        the arrays and their one-line source, or None if nothing of the kind is there.

    Raises:
        DataError: an image is damaged, of another size, of an unknown class,
            or the counts are not those of the set.
    """
    for base in (folder / subfolder for subfolder in SUBFOLDERS):
        if all((base / part).is_dir() for part in PARTS):
            return decoded(spec, base, folder_members(base, "*/*/*", MAX_IMAGE))
        for pattern in ARCHIVES:
            for path in sorted(base.glob(pattern)):
                return decoded(spec, path, tar_members(path, MAX_IMAGE))
    return None


def decoded(spec: Spec, origin: Path, members: Iterable[tuple[PurePosixPath, bytes]]) -> tuple[Arrays, str]:
    """Decode the images among `members` and bring them into the stored order."""
    images: dict[str, list[tuple[str, int, np.ndarray]]] = {part: [] for part in PARTS}
    formats = set()
    with progress_bar(f"decode {spec.title}", total=spec.train_count + spec.test_count) as advance:
        for path, content in members:
            if path.suffix.lower() not in FORMATS or len(path.parts) < 3 or path.parts[-3] not in PARTS:
                continue
            part, class_name = path.parts[-3:-1]
            if class_name not in spec.classes:
                raise DataError(
                    origin, expected=f"class folders {', '.join(spec.classes)}", found=f"{path}", mend=MEND
                )
            image = decode_image(origin, path, content, spec.image_shape)
            images[part].append((path.stem, spec.classes.index(class_name), image))
            formats.add(FORMATS[path.suffix.lower()])
            if sum(map(len, images.values())) % 500 == 0:
                advance(500)
    arrays = []
    for part, count in zip(PARTS, (spec.train_count, spec.test_count), strict=True):
        check_counts(spec, origin, part, count, Counter(label for _, label, _ in images[part]))
        images[part].sort(key=lambda entry: entry[:2])
        arrays.append(np.stack([image for _, _, image in images[part]]))  # (N, H, W, 3)
        arrays.append(np.array([label for _, label, _ in images[part]], dtype=np.uint8))  # (N,)
    kind = formats.pop() if len(formats) == 1 else "image"
    return Arrays(*arrays), f"{spec.title} ({kind} copy)"


def decode_image(origin: Path, path: PurePosixPath, content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """One image file as uint8 (H, W, 3)."""
    try:
        with Image.open(io.BytesIO(content), formats=sorted(set(FORMATS.values()))) as image:
            if (image.height, image.width) != shape[:2]:
                found = f"{image.height}x{image.width}"
                raise DataError(origin / path, expected=f"{shape[0]}x{shape[1]} pixels", found=found, mend=MEND)
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # what Pillow's decoders raise
        raise DataError(origin / path, expected="an image", found=str(error), mend=MEND) from error


def check_counts(spec: Spec, origin: Path, part: str, count: int, found: Counter[int]) -> None:
    """Refuse a part whose total, or whose share per class, is not the set's."""
    per_class = count // len(spec.classes)
    for label, class_name in enumerate(spec.classes):
        if found[label] != per_class:
            raise DataError(
                origin,
                expected=f"{per_class:,} images in {part}/{class_name}",
                found=f"{found[label]:,} ({found.total():,} in {part} altogether)",
                mend=MEND,
            )
