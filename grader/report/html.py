"""A result as one HTML page: self-contained, without scripts, readable on a phone, in the dark and on paper.

Everything that a submission may have written goes through `clean`, which takes control characters
and marks that reorder text, and through jinja2's escaping. The page's own policy allows nothing but
its one style sheet and images that are part of it.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path

import jinja2
from markupsafe import Markup

from data_scripts import atomic
from grader.report import facts
from grader.report.blocks import Cell, Drawing, Grid, Note, blocks
from grader.report.figures import DARK, LIGHT, render
from grader.report.text import clean
from grader.result import Result

TEMPLATES = Path(__file__).parent / "templates"


def write(result: Result, path: Path) -> list[Path]:
    """Write the page.

    Args:
        result: what a grading run ended in.
        path: the file to write.

    Returns:
        The file written.

    Raises:
        OSError: it cannot be written.
    """
    atomic.write(Path(path), page(result).encode())
    return [Path(path)]


def page(result: Result) -> str:
    """The whole page."""
    style = (TEMPLATES / "report.css").read_text()
    return environment().get_template("report.html").render(
        result=result,
        style=Markup(style),
        policy=policy(style),
        facts=facts,
        blocks=blocks,
        kind=lambda block: {Drawing: "drawing", Grid: "grid", Note: "note"}[type(block)],
        sources=_sources,
        image=_image,
    )


@functools.cache
def environment() -> jinja2.Environment:
    """What turns templates into pages: every word that is filled in is cleaned and escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )


def policy(style: str, script: str = "") -> str:
    """A page's Content Security Policy: images in it, this style sheet, this script, and nothing else."""
    scripts = f" script-src '{_digest(script)}';" if script else ""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}';{scripts} base-uri 'none'; form-action 'none'"
    )


def _finalize(value: object) -> object:
    """Every word of the page; what is markup already is our own."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _sources(drawing: Drawing) -> list[tuple[str, Markup]]:
    """A figure for each kind of screen: (media query, address), the first that fits; the last is for paper."""
    narrow = "(max-width: 36rem)" if drawing.narrow != drawing.size else ""
    dark = "screen and (prefers-color-scheme: dark)"
    kinds = [(dark, drawing.size, DARK), ("", drawing.size, LIGHT)]
    if narrow:
        kinds = [(f"{dark} and {narrow}", drawing.narrow, DARK), (f"screen and {narrow}", drawing.narrow, LIGHT), *kinds]
    return [(media, _embedded(render(drawing.draw, size, theme, "svg"), "svg+xml")) for media, size, theme in kinds]


def _image(cell: Cell) -> Markup:
    return _embedded(cell.png(), "png")


def _embedded(content: bytes, form: str) -> Markup:
    """An image as an address; whole, since it is no text."""
    return Markup(f"data:image/{form};base64,{base64.b64encode(content).decode()}")
