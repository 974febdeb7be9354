"""Shuffled batches of a data set that lies on the device."""

import pytest
import torch

from reference.training.batches import Batches


def numbered(count: int, device="cpu"):
    """Images that hold their own number, and labels that are it."""
    labels = torch.arange(count, device=device)
    return labels.float().reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2), labels


@pytest.mark.parametrize(("count", "size", "sizes"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 5, [3]), (0, 4, [])])
def test_an_epoch_holds_every_image_once_with_its_label(count, size, sizes):
    batches = Batches(*numbered(count), batch_size=size)
    seen = list(batches)
    assert [len(labels) for _, labels in seen if len(labels)] == sizes
    assert len(batches) == len(sizes)
    for images, labels in seen:
        assert (images[:, 0, 0, 0] == labels).all()
    assert sorted(label for _, labels in seen for label in labels.tolist()) == list(range(count))


def test_every_epoch_has_another_order_and_a_seed_repeats_them():
    batches = Batches(*numbered(50), batch_size=50)

    def two_epochs():
        torch.manual_seed(0)
        return [labels.tolist() for _ in range(2) for _, labels in batches]

    first, second = two_epochs()
    assert first != second
    assert [first, second] == two_epochs()


def test_the_order_of_a_seed_is_the_same_on_every_device(device):
    torch.manual_seed(1)
    expected = [labels.tolist() for _, labels in Batches(*numbered(20), batch_size=6)]
    torch.manual_seed(1)
    found = list(Batches(*numbered(20, device), batch_size=6))
    assert [labels.tolist() for _, labels in found] == expected
    assert {images.device.type for images, _ in found} == {device.type}


def test_the_transform_sees_whole_batches_of_images_anew_in_every_epoch():
    sizes = []

    def doubled(images):
        sizes.append(len(images))
        return 2 * images

    batches = Batches(*numbered(5), batch_size=2, transform=doubled)
    for _ in range(2):
        for images, labels in batches:
            assert (images[:, 0, 0, 0] == 2 * labels).all()
    assert sizes == [2, 2, 1, 2, 2, 1]


def test_the_stored_images_are_not_what_a_batch_changes():
    images = torch.ones(4, 3, 2, 2)
    for batch, _ in Batches(images, torch.zeros(4), batch_size=2):
        batch.zero_()
    assert (images == 1).all()


@pytest.mark.parametrize(
    ("labels", "size", "words"),
    [(3, 2, "one label per image, found 4 images and 3 labels"), (4, 0, "batch_size: expected at least 1, found 0")],
)
def test_what_cannot_be_cut_into_batches_is_refused(labels, size, words):
    with pytest.raises(ValueError, match=words):
        Batches(torch.zeros(4, 3, 2, 2), torch.zeros(labels), batch_size=size)
