"""Reports: nothing lost, nothing misread, and nothing a submission wrote acts on who reads it."""

import io
import json
import math

import msgspec
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from rich.console import Console

from grader.report import json_file, plots, terminal
from grader.report.files import write_files
from grader.report.json_file import ResultFileError
from grader.report.text import clean
from grader.result import CheckResult, DeliverableResult, Epoch, Result, Training


def check(name, verdict="pass", reason="", points=4.0):
    earned = points if verdict == "pass" else 0.0
    return CheckResult(name, f"title of {name}", points, earned, verdict, reason, 0.1)


def epoch(number, **changed):
    values = dict(
        epoch=number, train_loss=0.5 / number, train_accuracy=0.9 + 0.01 * number, val_loss=0.6 / number,
        val_accuracy=0.88 + 0.02 * number, reported_loss=0.4, reported_accuracy=0.91, seconds=2.0 * number,
    )  # fmt: skip
    return Epoch(**values | changed)


def training(epochs=5, **changed):
    return Training([epoch(n, **changed) for n in range(1, epochs + 1)], 31.0, 60_000, 5_000, 10_000, 0.9)


def deliverable(number=1, checks=None, **options):
    return DeliverableResult(number, f"Part {number}", checks or [check("a")], **options)


def result(deliverables=None, **changed):
    values = dict(
        assignment="hw3", submission="alice", digest="ab" * 32, data="real", data_source="MNIST (IDX files)",
        data_digest="cd" * 32, seed=1234567, isolation="process", started="2026-01-02T03:04:05Z", seconds=12.5,
        versions={"python": "3.12", "torch": "2.10"}, hardware="2 cores", deliverables=deliverables or [deliverable()],
    )  # fmt: skip
    return Result(**values | changed)


def shown(graded, width=80, **options):
    console = Console(width=width, file=io.StringIO(), **options)
    terminal.render(graded, console)
    return console.file.getvalue()


def words(graded, **options):
    """What is shown, without the boxes and line breaks of a table."""
    return " ".join(shown(graded, **options).replace("│", " ").split())


def test_the_table_says_check_points_verdict_and_reason():
    graded = result([deliverable(checks=[check("a"), check("b", "timeout", "no answer within 10 s", 2.5)])])
    text = words(graded)
    assert "title of a 4/4 pass" in text
    assert "title of b 0/2.5 timeout" in text
    assert "title of b b no answer within 10 s" in text  # title and id, then the reason below
    assert "1 of 2 passed 4/6.5" in text
    assert "Total 4 of 6.5 points: 1 of 2 checks passed" in text


@pytest.mark.parametrize("verdict", ["pass", "fail", "error", "timeout", "killed", "not-run", "invalid"])
def test_every_verdict_is_a_word_and_a_colour(verdict):
    text = shown(result([deliverable(checks=[check("a", verdict)])]), force_terminal=True, color_system="standard")
    line = next(line for line in text.splitlines() if "title of a" in line)
    assert verdict in line
    assert "\x1b[" in line


def test_all_passed_is_said_in_the_last_line():
    assert shown(result()).rstrip().splitlines()[-1] == "Total 4 of 4 points: every check passed"


def test_what_the_grade_rests_on_is_shown():
    text = words(result())
    for part in ("alice", "abababababab", "real: MNIST (IDX files)", "--seed 1234567", "process", "12.5 s", "torch 2.10", "2 cores"):
        assert part in text


def test_nothing_is_wider_than_eighty_columns():
    long = "MyFConv2D(input=torch.Size([2, 3, 17, 11]), " * 5 + "x" * 200
    runs = [
        deliverable(2, [check("a", "error", long)], training=training()),
        deliverable(2, [check("a", "fail", long)], swap="deliverable1=" + "folder/" * 20, counted=False),
    ]
    text = shown(result(runs, submission="s/" * 90, data_source="d" * 300, data="synthetic"))
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("x") >= 200  # folded, not cut


def test_a_swapped_run_is_shown_beside_and_not_counted():
    runs = [
        deliverable(2, [check("a", "error", "boom"), check("b", "not-run", "nothing to measure")]),
        deliverable(2, [check("a"), check("b", "fail", "too low")], swap="deliverable1=reference", counted=False),
    ]
    text = words(result(runs))
    assert "title of a 0/4 error pass" in text
    assert "title of b 0/4 not-run fail" in text
    assert "title of a a boom" in text
    assert "title of b b nothing to measure with deliverable1=reference: too low" in text
    assert "swapped: with deliverable1=reference" in text
    assert "not counted" in text
    assert "Total 0 of 8 points" in text


def test_a_swapped_pass_with_a_word_to_say_says_it():
    runs = [
        deliverable(2, [check("a", "error", "boom")]),
        deliverable(2, [check("a", reason="near the limit")], swap="x", counted=False),
    ]
    assert "boom with x: near the limit" in words(result(runs))


def test_a_counted_swap_is_named_in_the_title():
    assert "Deliverable 2: Part 2 (with deliverable1=reference)" in words(
        result([deliverable(2, swap="deliverable1=reference")])
    )


def test_a_training_is_summed_up_and_its_validation_set_called_the_test_set():
    text = words(result([deliverable(2, training=training())]))
    assert "trained 5 epochs on 60,000 images in 31 s" in text
    assert "validation accuracy 98.00 % (required: 90 %) on 10,000 images, which are the test set" in text


def test_synthetic_data_cannot_be_missed():
    text = shown(result([deliverable(2, training=training())], data="synthetic", data_source="synthetic digits, seed 0"))
    lines = text.rstrip().splitlines()
    assert "NOT THE REAL DATA" in lines[0]
    assert text.count("NOT THE REAL DATA") == 2  # a long report scrolls: at its end too
    assert lines[-1].endswith("(on SYNTHETIC data)")
    assert "10,000 SYNTHETIC images" in " ".join(lines)
    assert "SYNTHETIC" not in shown(result())


def test_a_submissions_own_words_are_plain_text():
    evil = "[bold red]PASS[/] \x1b[2J\x1b]0;title\x07\u202egnp\x9b31m [/nonsense]\ud800"
    checks = [check(evil, "fail", evil), check("b")]
    beside = deliverable(checks=[check(evil, "fail", f"{evil}!")], swap=evil, counted=False)
    text = shown(result([deliverable(checks=checks), beside], submission=evil), width=200)
    assert text.count("[bold red]PASS[/]") >= 5  # title, both reasons, caption, submission
    assert "[/nonsense]" in text
    assert not set(text) & set("\x1b\x07\x9b\u202e\ud800")
    text.encode()


def test_clean_keeps_lines_and_letters_and_cuts_what_is_endless():
    assert clean("Größe\t漢字\r\nzweite Zeile") == "Größe    漢字\nzweite Zeile"
    assert clean("\x1b[31;1mred\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]0;title\x07") == "red link"
    assert clean("a" * 5000) == "a" * 1999 + "…"


def test_json_comes_back_as_it_was(tmp_path):
    graded = result([deliverable(), deliverable(2, swap="deliverable1=reference", counted=False, training=training())])
    path = tmp_path / "new" / "result.json"
    assert json_file.write(graded, path) == [path]
    assert json_file.read(path) == graded
    assert [entry.name for entry in path.parent.iterdir()] == ["result.json"]


def test_a_failed_write_leaves_the_folder_as_it_was(tmp_path):
    (tmp_path / "result.json").mkdir()
    with pytest.raises(OSError):
        json_file.write(result(), tmp_path / "result.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_a_diverged_training_comes_back_as_nan(tmp_path):
    path = tmp_path / "result.json"
    json_file.write(result([deliverable(2, training=training(val_loss=math.nan, reported_loss=math.inf))]), path)
    json.loads(path.read_text(), parse_constant=pytest.fail)  # no NaN or Infinity, which are no JSON
    measured = json_file.read(path).deliverables[0].training.epochs[0]
    assert math.isnan(measured.val_loss)
    assert math.isnan(measured.reported_loss)
    assert measured.train_loss == 0.5


def change(content, path, value):
    *parents, last = path
    for key in parents:
        content = content[key]
    content[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["schema"], "chalkbench/result/0", "expected the schema 'chalkbench/result/1', found the schema 'chalkbench/result/0'"),
        (["schema"], None, "without a schema"),
        (["extra"], 1, "extra"),
        (["seed"], "7", "seed"),
        (["seed"], None, "seed"),
        (["deliverables", 0, "checks", 0, "verdict"], "passed", "verdict"),
        (["deliverables", 0, "training"], {"epochs": [None]}, "training"),
        (["deliverables"], {"a": 1}, "deliverables"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path, path, value, message):
    content = msgspec.to_builtins(result())
    change(content, path, value)
    file = tmp_path / "result.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ResultFileError, match=message) as caught:
        json_file.read(file)
    assert str(file) in str(caught.value)
    assert "grade again" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"3", b"null", b'{"a": 1}'])
def test_a_foreign_file_is_refused(tmp_path, content):
    file = tmp_path / "result.json"
    file.write_bytes(content)
    with pytest.raises(ResultFileError, match=r"result\.json: expected"):
        json_file.read(file)


def drawn(tmp_path, trained, **options):
    """The pixels of the curves, (H, W, 3)."""
    path = tmp_path / "curves.png"
    plots.curves(trained, path, **{"title": "hw3 deliverable 2", "data": "MNIST"} | options)
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.fixture
def figures(monkeypatch):
    """The figures that are made while a test runs."""
    made = []

    class Seen(Figure):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            made.append(self)

    monkeypatch.setattr("matplotlib.figure.Figure", Seen)
    return made


@pytest.mark.parametrize("epochs", [1, 5, 40])
def test_curves_show_both_sets_with_units_and_whole_epochs(tmp_path, figures, epochs):
    trained = training(epochs, val_accuracy=0.61, train_accuracy=0.97, val_loss=2.5)
    image = drawn(tmp_path, trained, data="MNIST (IDX files)")
    assert image.std() > 10
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]
    (figure,) = figures
    loss, accuracy = figure.axes
    numbers = list(range(1, epochs + 1))
    curves = [(list(line.get_xdata()), list(line.get_ydata())) for line in loss.lines]
    assert curves == [(numbers, [e.train_loss for e in trained.epochs]), (numbers, [2.5] * epochs)]
    train, val, required = (list(line.get_ydata()) for line in accuracy.lines)
    assert (train, val, required) == ([97.0] * epochs, [61.0] * epochs, [90.0, 90.0])
    assert [text.get_text() for text in accuracy.get_legend().get_texts()] == [
        "training (5,000 of 60,000 images): 97.00 % at the end",
        "validation (10,000 test images): 61.00 % at the end",
        "required: 90 %",
    ]
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == (
        "mean cross-entropy (nats)",
        "correct predictions (%)",
    )
    assert "MNIST (IDX files)" in figure.get_suptitle()
    for axes in (loss, accuracy):
        assert axes.get_xlabel() == "epoch"
        assert all(float(tick).is_integer() for tick in axes.get_xticks())
        bottom, top = axes.get_ylim()
        for line in axes.lines:
            assert bottom <= min(line.get_ydata()) <= max(line.get_ydata()) < top
    styles = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in loss.lines]
    assert all(one != other for one, other in zip(*styles, strict=True))  # also in grey


def test_the_title_is_drawn_whatever_characters_it_has(tmp_path):
    plain = drawn(tmp_path, training(), data="")
    assert (drawn(tmp_path, training(), data="costs $\\frac{$ \x1b[0m" + "long " * 90) != plain).any()


def test_a_diverged_training_is_drawn_up_to_where_it_diverged(tmp_path, figures):
    trained = training()
    broken = [epoch(n, val_loss=math.nan, val_accuracy=math.nan) for n in range(3, 6)]
    drawn(tmp_path, msgspec.structs.replace(trained, epochs=trained.epochs[:2] + broken))
    assert np.isfinite(figures[0].axes[0].lines[1].get_ydata()).tolist() == [True, True] + [False] * 3
    drawn(tmp_path, training(val_loss=math.nan, val_accuracy=math.nan, train_loss=math.inf, train_accuracy=math.nan))


def test_a_training_without_epochs_has_no_curves(tmp_path):
    with pytest.raises(ValueError, match="at least one epoch"):
        plots.curves(training(0), tmp_path / "curves.png", title="", data="")
    assert plots.write(result([deliverable(2, training=training(0))]), tmp_path / "result.json") == []


def test_drawing_leaves_pyplot_alone(tmp_path):
    from matplotlib import pyplot

    drawn(tmp_path, training())
    assert pyplot.get_fignums() == []


def test_every_file_of_a_result_lies_beside_its_json(tmp_path):
    graded = result([
        deliverable(1),
        deliverable(2, training=training()),
        deliverable(2, training=training(), swap="deliverable1=../a b", counted=False),
    ])  # fmt: skip
    written = write_files(graded, tmp_path / "out" / "alice.json")
    assert [path.name for path in written] == [
        "alice.json",
        "alice-deliverable2-curves.png",
        "alice-deliverable2-deliverable1----a-b-curves.png",
    ]
    assert all(path.is_file() and path.parent == tmp_path / "out" for path in written)


def test_curves_name_the_images_of_their_own_training(tmp_path, figures):
    mnist = msgspec.structs.replace(training(), source="MNIST (IDX)")
    shapes = msgspec.structs.replace(training(), source="synthetic shapes", synthetic=True)
    trained = [deliverable(number, training=kind) for number, kind in enumerate((mnist, shapes, training()), 2)]
    plots.write(result(trained, data="synthetic", data_source="MNIST (IDX); synthetic shapes"), tmp_path / "a.json")
    loud = "SYNTHETIC STAND-IN, not the real data: "
    told = [" ".join(text.get_text() for text in figure.findobj(Text)) for figure in figures]
    assert "MNIST (IDX)" in told[0] and loud not in told[0] and "shapes" not in told[0]
    assert f"{loud}synthetic shapes" in told[1]
    assert f"{loud}MNIST (IDX); synthetic shapes" in told[2]  # of an older grader


def test_plots_of_an_earlier_run_do_not_stay_beside_a_new_result(tmp_path):
    path = tmp_path / "alice.json"
    write_files(result([deliverable(2, training=training())]), path)
    (tmp_path / "bob-deliverable2-curves.png").touch()
    write_files(result(), path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["alice.json", "bob-deliverable2-curves.png"]


def test_a_plot_of_synthetic_data_says_so(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(plots, "curves", lambda trained, path, *, title, data: seen.append((title, data)))
    plots.write(result([deliverable(2, training=training())], data="synthetic", data_source="digits"), tmp_path / "r.json")
    assert seen == [("hw3 deliverable 2: Part 2", "SYNTHETIC STAND-IN, not the real data: digits")]
