"""The report as a page and on paper: whole, self-contained, and deaf to what a submission wrote."""

import base64
import hashlib
import html as markup
import re
import shutil
import subprocess
import xml.etree.ElementTree as xml
from html.parser import HTMLParser

import numpy as np
import pytest

from grader.exhibits.kinds import (
    Captioned,
    Curve,
    Curves,
    Map,
    Mapped,
    Maps,
    Missing,
    Picture,
    Pictures,
    Rate,
    RateCurve,
    Rates,
    Row,
)
from grader.report import blocks, figures, html, json_file, pdf
from grader.report.figures import DARK, LIGHT, render
from tests.grader.test_report import check, deliverable, result, training

VERDICTS = ("pass", "fail", "error", "timeout", "killed", "not-run", "invalid")
EVIL = "<script>alert(1)</script><img src=http://x/> \"' onload=y \x1b[31m\u202egnp\x9b $\\frac{$ {{ 7*7 }} \ud800"
GREY = Picture(2, 3, 1, bytes(range(0, 240, 40)))
COLOURED = Picture(2, 3, 3, bytes(range(0, 180, 10)))
EXHIBITS = [
    Rates(
        "Untargeted attack",
        "on 100 images",
        "ε (grey values)",
        "success rate (%)",
        [
            RateCurve("attack", "model A", [Rate(0, 0, 100), Rate(4, 50, 100), Rate(8, 100, 100)]),
            RateCurve("attack", "model B", [Rate(0, 0, 100)], "ε = 4: no answer within 3 s"),
        ],
    ),
    Curves("a trial", "short", [Curve("loss", "training", "training", [2.3, None])], claimed=True),
    Pictures("adversarial", "at ε = 8", [Row("original", [Captioned(GREY, "7"), Captioned(GREY, "1")])]),
    Maps("CAM", "of a network", [Mapped(COLOURED, "cat", [Map("cam(): cat", GREY)])]),
    Missing("more maps", "there is no checkpoint"),
]


def full(**changed):
    """A result with something of everything."""
    return result(
        [
            deliverable(1, [check(verdict, verdict, f"because of {verdict}") for verdict in VERDICTS]),
            deliverable(2, training=training()),
            deliverable(2, swap="deliverable1=reference", counted=False),
            deliverable(6, exhibits=EXHIBITS),
        ],
        **changed,
    )


class Page(HTMLParser):
    """Tags with their attributes, and the words between them, as a browser reads them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.styles, self._inside = [], "", [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "style":
            self.styles.append(data)
        else:
            self.words += f" {data}"


def test_exhibits_come_back_from_json_as_they_were(tmp_path):
    graded = full()
    json_file.write(graded, tmp_path / "result.json")
    assert json_file.read(tmp_path / "result.json") == graded


def test_a_picture_of_the_wrong_size_is_refused(tmp_path):
    path = tmp_path / "result.json"
    json_file.write(full(), path)
    path.write_text(path.read_text().replace('"height": 2', '"height": 3', 1))
    with pytest.raises(json_file.ResultFileError, match="expected 9 bytes of pixels, found 6"):
        json_file.read(path)


def test_the_page_says_everything_that_the_result_says():
    words = " ".join(Page(html.page(full())).words.split())
    for verdict in VERDICTS:
        assert f"because of {verdict}" in words
    for part in (
        "4 / 28", "not counted", "ab" * 32, "--seed 1234567", "torch 2.10", "validates on the test set",
        "The submission's own record; the grader did not measure", "no rate from there on: ε = 4: no answer within 3 s",
        "Not available: there is no checkpoint", "5 epochs on 60,000 images", "cam(): cat",
    ):  # fmt: skip
        assert part in words


def test_the_page_loads_nothing_and_runs_nothing():
    page = Page(html.page(full()))
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style", tag  # the policy would ignore it
            if name in ("src", "srcset"):
                assert value.startswith(("data:image/png;base64,", "data:image/svg+xml;base64,"))
            if name == "href":
                assert value.startswith("#")
    assert "http://" not in page.styles[0] and "url(" not in page.styles[0]


def test_the_policy_allows_the_style_sheet_and_images_only():
    page = Page(html.page(full()))
    (policy,) = [at["content"] for tag, at in page.tags if at.get("http-equiv") == "Content-Security-Policy"]
    (style,) = page.styles
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    # It binds what comes after it.
    names = [tag for tag, _ in page.tags]
    assert names.index("meta") < names.index("style")


def hostile():
    """Every word that can come from a submission, or from a file that someone changed."""
    exhibits = [
        Missing(EVIL, EVIL),
        Rates(EVIL, EVIL, EVIL, "rate (%)", [RateCurve(EVIL[:150], "_x$\\frac{", [Rate(0, 1, 2)], EVIL)]),
        Curves(EVIL, EVIL, [Curve("loss", "training", EVIL[:150], [1.0])]),
        Pictures(EVIL, EVIL, [Row(EVIL[:150], [Captioned(GREY, EVIL[:150])])]),
        Maps(EVIL, EVIL, [Mapped(COLOURED, EVIL[:150], [Map(EVIL[:150], GREY)])]),
    ]
    checks = [check(EVIL, "fail", EVIL), check("b", "error", "x" * 100_000), check("c", "error", "line\n" * 5_000)]
    return result(
        [deliverable(1, checks, swap=EVIL, exhibits=exhibits, kept=EVIL)],
        submission=EVIL, data_source=EVIL, data_digest=EVIL, data="synthetic", isolation=EVIL, hardware=EVIL,
        started=EVIL, versions={EVIL: EVIL}, assignment=EVIL, digest=EVIL,
    )  # fmt: skip


def test_a_submissions_words_are_text_on_the_page():
    text = html.page(hostile())
    page = Page(text)
    harmless = Page(html.page(full()))
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in harmless.tags}
    assert "<script>alert(1)</script>" in page.words  # shown, as it was written
    assert "{{ 7*7 }}" in page.words
    assert not set(text) & set("\x1b\x9b\u202e\ud800")
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
    assert page.words.count("x" * 1900) == 1
    assert len(re.sub(r"base64,[\w+/=]*", "", text)) < 100_000


def test_a_stand_in_is_announced_first():
    words = Page(html.page(full(data="synthetic", data_source="synthetic digits"))).words
    assert words.index("Not the real data") < words.index("Deliverable 1")
    assert "Not the real data" not in Page(html.page(full())).words


def test_figures_are_there_for_light_and_dark_and_narrow_screens():
    page = Page(html.page(full()))
    media = [at["media"] for tag, at in page.tags if tag == "source"]
    assert sum("dark" in query for query in media) == 5  # two figures of curves twice, one of rates
    assert sum("max-width" in query for query in media) == 4
    assert all("screen" in query for query in media)  # paper is light and wide


def svg(block, theme=LIGHT, size=None):
    return xml.fromstring(render(block.draw, size or block.size, theme, "svg"))


def test_figures_are_whole_in_every_form():
    for block in blocks.blocks(deliverable(6, exhibits=EXHIBITS, training=training())):
        if isinstance(block, blocks.Drawing):
            assert svg(block).tag.endswith("svg")
            assert svg(block, DARK, block.narrow).tag.endswith("svg")
            assert render(block.draw, block.size, LIGHT, "png").startswith(b"\x89PNG")


@pytest.fixture
def drawn(monkeypatch):
    """Draws a block, and gives its axes."""
    from matplotlib.figure import Figure

    def axes(block, theme=LIGHT, size=None):
        figure = Figure(figsize=size or block.size, layout="constrained")
        block.draw(figure, theme)
        return figure.axes

    return axes


def test_rates_have_units_intervals_and_a_style_for_each_line(drawn):
    curves = [
        RateCurve(series, model, [Rate(0, 0, 100), Rate(8, 30, 100)])
        for series in ("plain", "improved")
        for model in ("model A", "model B")
    ]
    (block,) = blocks.blocks(deliverable(exhibits=[Rates("t", "n", "ε (grey values)", "success rate (%)", curves)]))
    (axes,) = drawn(block)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("ε (grey values)", "success rate (%)")
    assert [list(line.get_ydata()) for line in axes.lines] == [[0.0, 30.0]] * 4
    looks = {(line.get_color(), line.get_linestyle(), line.get_marker(), line.get_markerfacecolor()) for line in axes.lines}
    assert len(looks) == 4
    assert len({look[1:] for look in looks}) == 4  # in grey, too
    band = axes.collections[0].get_paths()[0].get_extents()
    assert band.ymax == pytest.approx(39.6, abs=0.2) and band.ymin == pytest.approx(0, abs=0.01)
    low, high = axes.get_ylim()
    assert low < 0 and high > 100  # markers at 0 and 100 % are not cut off


def test_curves_stand_one_below_the_other_on_a_narrow_screen(drawn):
    (block,) = blocks.blocks(deliverable(training=training()))
    wide, narrow = drawn(block), drawn(block, size=block.narrow)
    assert wide[0].get_position().y0 == pytest.approx(wide[1].get_position().y0, abs=0.05)
    assert narrow[0].get_position().y0 > narrow[1].get_position().y1


def test_maps_are_coloured_in_order_and_blended_by_half():
    (block,) = blocks.blocks(deliverable(exhibits=[EXHIBITS[3]]))
    ((_, (image, coloured, blend)),) = block.rows
    assert (image.image == np.frombuffer(COLOURED.pixels, np.uint8).reshape(2, 3, 3)).all()
    brightness = coloured.image.astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness.ravel()) > 0).all()
    assert abs(blend.image - (image.image.astype(float) + coloured.image) / 2).max() <= 0.5


def test_a_swapped_runs_words_and_a_kept_ones_are_said():
    words = Page(html.page(result([deliverable(4, kept="2026-01-01T00:00:00"), deliverable(4, counted=False)]))).words
    assert "Kept from 2026-01-01T00:00:00" in words
    assert "adds nothing to the total" in words


def paper(graded, tmp_path):
    """The words of a PDF, by poppler."""
    (path,) = pdf.write(graded, tmp_path / "report.pdf")
    assert path.read_bytes().startswith(b"%PDF-")
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext here")
    done = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


def test_the_paper_says_everything_that_the_result_says(tmp_path):
    words = paper(full(), tmp_path)
    for verdict in VERDICTS:
        assert f"because of {verdict}" in words
    for part in ("4 / 28", "not counted", "--seed 1234567", "Not available: there is no checkpoint", "ε = 4: no answer"):
        assert part in words


def test_the_paper_stands_a_submissions_words(tmp_path):
    words = paper(hostile(), tmp_path)
    assert "<script>alert(1)</script>" in words
    assert not set(words) & set("\x1b\x9b\u202e")
    assert words.count("line") < 100


def test_the_same_result_gives_the_same_paper(tmp_path):
    (one,), (two,) = (pdf.write(full(), tmp_path / name) for name in ("one.pdf", "two.pdf"))
    assert one.read_bytes() == two.read_bytes()


def test_reports_are_written_whole_and_nothing_else_is(tmp_path):
    html.write(full(), tmp_path / "new" / "report.html")
    pdf.write(full(), tmp_path / "new" / "report.pdf")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["report.html", "report.pdf"]
    assert markup.unescape((tmp_path / "new" / "report.html").read_text()).startswith("<!doctype html>")


def test_a_curve_in_words_names_every_point():
    told = figures.summary(EXHIBITS[0].curves[0])
    assert told == "attack, model A: 0 % at 0, 50 % at 4, 100 % at 8"
