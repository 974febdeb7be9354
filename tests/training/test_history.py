"""The epochs of a run: kept in a checkpoint, and drawn."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reference.training.history import COLOURS, Epoch, History, draw_curves

EPOCHS = [Epoch(2.0 / n, 0.3 + n / 30, 2.2 / n, 0.28 + n / 30, 10.0 + n) for n in range(1, 13)]


def test_the_state_brings_back_the_same_epochs_into_the_same_list():
    history = History()
    kept = history.epochs  # whoever holds the list sees what was brought back
    history.load_state_dict(History(EPOCHS).state_dict())
    assert history == History(EPOCHS)
    assert kept is history.epochs


def test_the_state_does_not_follow_what_happens_later():
    history = History(EPOCHS[:2])
    state = history.state_dict()
    history.epochs.append(EPOCHS[2])
    assert len(state["epochs"]) == 2


def test_epochs_before_the_checkpoint_replace_what_was_there():
    history = History(list(EPOCHS))
    history.load_state_dict({"epochs": []})
    assert history.epochs == [] and history.seconds == 0


def test_seconds_are_those_of_all_epochs():
    assert History(EPOCHS[:3]).seconds == 11 + 12 + 13


def coloured(path, colour: str) -> int:
    """How many pixels of a picture have nearly the colour."""
    wanted = np.frombuffer(bytes.fromhex(colour[1:]), np.uint8).astype(int)
    with Image.open(path) as picture:
        distance = np.abs(np.asarray(picture.convert("RGB")) - wanted)
    return int((distance.max(-1) < 20).sum())


@pytest.mark.parametrize("epochs", [1, 12])
def test_both_curves_are_drawn(tmp_path, epochs):
    path = tmp_path / "new" / "curves.png"
    History(EPOCHS[:epochs]).draw(path, "a title")
    empty = tmp_path / "empty.png"
    History().draw(empty, "a title")  # its legends have both colours too
    for colour in COLOURS.values():
        assert coloured(path, colour) > coloured(empty, colour) + 20


def test_the_curves_of_every_run_are_drawn_over_each_other(tmp_path):
    lower = History([replace(epoch, train_loss=epoch.train_loss / 2) for epoch in EPOCHS])
    one, both = tmp_path / "one.png", tmp_path / "both.png"
    draw_curves([History(EPOCHS)], one, "a title", measured_on="test")
    draw_curves([History(EPOCHS), lower], both, "a title", measured_on="test")
    assert coloured(both, COLOURS["training"]) > coloured(one, COLOURS["training"]) + 20


def test_the_legend_names_what_it_was_measured_on(tmp_path):
    names = ("validation", "test")
    pictures = [tmp_path / f"{name}.png" for name in names]
    for name, picture in zip(names, pictures, strict=True):
        History(EPOCHS).draw(picture, "a title", measured_on=name)
    one, other = (picture.read_bytes() for picture in pictures)
    assert one != other


def test_a_title_with_dollar_signs_is_text_and_no_formula(tmp_path):
    History(EPOCHS).draw(tmp_path / "curves.png", r"costs $\frac{$ and more")
    assert (tmp_path / "curves.png").stat().st_size > 0
