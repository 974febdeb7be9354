"""The class's page: right numbers, what a person clicks does what it says, and nothing in a name acts."""

import base64
import hashlib
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from grader.assignments.hw3 import HW3
from grader.classroom import page, session
from grader.classroom.roster import HandIn, Student
from grader.classroom.store import Row
from grader.report import html
from grader.runner import Options
from tests.grader import browser as chromium
from tests.grader.classroom import tasks
from tests.grader.classroom.exports import FILE, SOURCE, write
from tests.grader.test_report import check, deliverable, result, training
from tests.grader.test_report_pages import EVIL, Page

# A name of each kind: accents, right to left, quotes, tags, a direction mark and a terminal escape, far too long.
NAMES = {
    "andre": ("André Müller", 40.0),
    "bo": ("Bo Li", 9.0),
    "cohen": ("עדי כהן", 24.0),
    "oneil": ("Sinéad \"Shay\" O'Neil & Co", 36.0),
    "script": ("<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>", 20.0),
    "spoof": ("\u202eeciла \x1b[31mred\x9b", 4.0),
    "long": ("Extraordinarily" * 12, 1.0),
}
ENCODED = EVIL.replace("\ud800", "")  # what fits into a file and a database
HARD = check("b.hard", "fail", "expected 1, found 2")


def graded(key: str, earned: float = 4.0, checks=None, **changed) -> Row:
    """A row whose first check earned some of deliverable 1's points."""
    checks = checks or [check("a.easy", points=earned), HARD]
    made = result([deliverable(1, checks)], submission=key, **changed)
    return Row(key, "ab", "c", "graded", "", [], msgspec.json.encode(made), 1)


def hand_in(key: str, name: str = "", **options) -> HandIn:
    return HandIn(key, (Student(name or key, "7", f"{key}@example.edu"),), **options)


def written(folder: Path, rows: dict[str, Row], names=None, numbers=(1,)) -> str:
    """The page of a class with these rows."""
    hand_ins = [hand_in(key, (names or {}).get(key, "")) for key in rows]
    return page.write(hand_ins, rows, HW3, numbers, folder, "fall").read_text()


def words(text: str) -> str:
    return " ".join(Page(text).words.split())


def test_points_fall_in_tenths_and_all_points_in_the_last():
    assert page.bins([0, 3.9, 4, 39.9, 40, 40], 40) == [2, 1, 0, 0, 0, 0, 0, 0, 0, 3]
    assert page.bins([], 40) == [0] * 10
    assert page.bins([0.0], 0) == [0] * 9 + [1]  # nothing to earn: everybody has all of it


def test_who_has_no_points_is_told_and_not_counted(tmp_path):
    refused = Row("bob", "", "c", "refused", "is encrypted", ["left out: x"], None, 1)
    failed = Row("carol", "", "c", "failed", "killed twice", [], None, 1)
    rows = {"alice": graded("alice", 40.0), "bob": refused, "carol": failed, "dan": graded("dan", 10.0)}
    said = words(written(tmp_path, rows))
    assert "2 graded, 1 refused, 1 not graded" in said
    assert "Mean 25.0, median 25.0 of 40; 1 with all points" in said
    assert "is encrypted; left out: x" in said and "killed twice" in said
    assert not (tmp_path / "students" / "bob").exists()


def test_a_class_without_any_points_has_a_page(tmp_path):
    refused = Row("bob", "", "c", "refused", "is encrypted", [], None, 1)
    assert "No submission has points" in words(written(tmp_path, {"bob": refused}))


def test_checks_are_listed_by_how_many_did_not_pass(tmp_path):
    rows = {
        "alice": graded("alice", checks=[check("a.easy"), check("b.hard", "timeout"), check("c.some", "fail")]),
        "bob": graded("bob", checks=[check("a.easy"), HARD, check("c.some")]),
        "carol": graded("carol", checks=[check("a.easy"), HARD, check("c.some")]),
    }
    said = words(written(tmp_path, rows)).split("A number leads to")[1]
    assert said.index("b.hard") < said.index("c.some") < said.index("a.easy")
    assert "b.hard 100 % 3 of 3 2 fail , 1 timeout" in said
    assert "c.some 33 % 1 of 3 1 fail" in said
    assert "a.easy 0 % 0 of 3" in said


def test_a_run_that_is_not_counted_is_not_counted(tmp_path):
    swapped = deliverable(1, [check("b.hard")], swap="deliverable1=reference", counted=False)
    both = result([deliverable(1, [HARD]), swapped], submission="alice")
    row = Row("alice", "ab", "c", "graded", "", [], msgspec.json.encode(both), 1)
    assert "b.hard 100 % 1 of 1" in words(written(tmp_path, {"alice": row}))


def test_the_policy_allows_our_style_sheet_and_script_only(tmp_path):
    text = written(tmp_path, {key: graded(key) for key in NAMES}, {key: name for key, (name, _) in NAMES.items()})
    parsed = Page(text)
    (policy,) = [at["content"] for tag, at in parsed.tags if at.get("http-equiv") == "Content-Security-Policy"]
    for tag in ("style", "script"):
        assert text.count(f"<{tag}>") == 1
        content = text.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    for tag, attributes in parsed.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        # An attribute's style or handler would be ignored: the page must not need one.
        assert not any(name.startswith("on") or name in ("style", "src") for name in attributes), (tag, attributes)
    links = [at["href"] for tag, at in parsed.tags if tag == "a"]
    assert all(link.startswith(("#", "students/")) or link == "gradebook.csv" for link in links)


def test_every_link_leads_to_a_page_of_that_student(tmp_path):
    keys = ["alice", "../up", "a b#c?d%e", "ü" * 20, "x.html"]
    text = written(tmp_path, {key: graded(key) for key in keys})
    links = {at["href"] for tag, at in Page(text).tags if tag == "a" and at["href"].startswith("students/")}
    assert len(links) == len(keys)
    for link in links:
        assert (tmp_path / link).is_file() and ".." not in link.split("/")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["class.html", "students"]


def test_whatever_the_export_says_is_text(tmp_path):
    key = ENCODED  # the roster sees to it
    row = Row(key, "ab", "c", "refused", EVIL, [EVIL], None, 1)
    people = HandIn(key, (Student(EVIL, EVIL, EVIL), Student(EVIL)))
    text = page.write([people], {key: row}, HW3, (1,), tmp_path, EVIL).read_text()
    harmless = Page(written(tmp_path, {"alice": graded("alice")}))
    assert {tag for tag, _ in Page(text).tags} <= {tag for tag, _ in harmless.tags}
    assert "<script>alert(1)</script>" in Page(text).words and "{{ 7*7 }}" in Page(text).words
    assert not set(text) & set("\x1b\x9b\u202e\ud800")


def test_a_page_is_drawn_once_and_again_for_another_result(tmp_path, monkeypatch):
    drawn = []
    draw = html.page
    monkeypatch.setattr(html, "page", lambda made: drawn.append(made.submission) or draw(made))
    rows = {"alice": graded("alice"), "bob": graded("bob")}
    written(tmp_path, rows)
    written(tmp_path, rows | {"bob": graded("bob", 2.0)})
    assert drawn == ["alice", "bob", "bob"]


def test_the_page_of_an_earlier_submission_does_not_stay(tmp_path):
    written(tmp_path, {"alice": graded("alice")})
    text = written(tmp_path, {"alice": Row("alice", "", "c", "refused", "is encrypted", [], None, 1)})
    assert not list(tmp_path.rglob("report.html")) and "students/alice" not in text


def test_a_stand_in_is_announced(tmp_path):
    assert "Not the real data" in words(written(tmp_path, {"alice": graded("alice", data="synthetic")}))
    assert "Not the real data" not in words(written(tmp_path, {"alice": graded("alice")}))


def test_a_class_run_writes_the_pages_unless_told_not_to(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "run", tasks.graded)
    given = write(tmp_path / "class", {f"{name}/{FILE}": SOURCE for name in ("alice", "bob")})
    for pages, expected in ((True, ["class.html", "report.html", "report.html"]), (False, [])):
        setup = session.Setup(given, tmp_path / "out", at_once=2, pages=pages)
        done = session.grade_class(HW3, Options((1,), data="synthetic"), setup, Console(quiet=True))
        assert sorted(path.name for path in (tmp_path / "out").rglob("*.html")) == expected
        assert (tmp_path / "out" / "class.html" in done.written) == pages


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if chromium.PROGRAM is None:
        pytest.skip("no Chromium here")
    running = chromium.Browser(tmp_path_factory.mktemp("profile"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A class of a few odd names, one refused, and one who passed everything."""
    place = tmp_path_factory.mktemp("class")
    rows = {key: graded(key, earned) for key, (_, earned) in NAMES.items()}
    reason = "<b>no</b> zip \x1b[2J\u202e"
    rows["zoe"] = Row("zoe", "", "c", "refused", reason, [], None, 1)
    rows["andre"] = graded("andre", checks=[check("a.easy", points=40.0), check("b.hard", points=0.0)])
    traced = deliverable(1, [check("a.easy", "error", ENCODED, 36.0)], training=training())
    rows["oneil"] = Row("oneil", "ab", "c", "graded", "", [], msgspec.json.encode(result([traced])), 1)
    numbers = tuple(deliverable.number for deliverable in HW3.deliverables)  # all columns that there can be
    written(place, rows, {key: name for key, (name, _) in NAMES.items()}, numbers)
    return place


@pytest.fixture
def opened(browser, folder):
    """The browser at the class's page; afterwards nothing ran, was refused or was loaded that is not ours."""
    browser.open(folder / "class.html")
    yield browser
    assert browser.value("window.hacked") is None
    for event in browser.events:
        assert event["method"] not in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"), event
        if event["method"] == "Network.requestWillBeSent":
            assert event["params"]["request"]["url"].startswith(("file:", "data:"))


def shown(browser) -> list[str]:
    """Points, or the word in their place, of the rows that can be seen, from top to bottom."""
    rows = "[...document.querySelectorAll('.students tbody tr')].filter((row) => row.offsetHeight)"
    return browser.value(f"{rows}.map((row) => row.cells[1].innerText.trim())")


def head(browser, column: int) -> str:
    return browser.value(f"document.querySelectorAll('.students th')[{column}].getAttribute('aria-sort')")


def test_a_click_on_points_sorts_by_them_and_a_second_one_turns_it(opened):
    button = ".students th:nth-child(2) button"
    opened.click(button)
    assert shown(opened) == ["40", "24", "20", "9", "4", "1", "0", "refused"]
    assert (head(opened, 0), head(opened, 1)) == (None, "descending")
    opened.click(button)
    assert shown(opened) == ["0", "1", "4", "9", "20", "24", "40", "refused"]
    assert head(opened, 1) == "ascending"


def test_a_click_on_student_sorts_by_name(opened):
    for expected in ("descending", "ascending"):
        opened.click(".students th button")
        assert head(opened, 0) == expected
    names = opened.value("[...document.querySelectorAll('.students td:first-child')].map((cell) => cell.dataset.value)")
    wanted = [name for name in names if name[0] in "ABES"]
    assert [name[:5] for name in wanted] == ["André", "Bo Li", "Extra", "Sinéa"]


@pytest.mark.parametrize(
    ("typed", "points"),
    [
        ("muller andre", ["40"]),
        ("כהן", ["24"]),
        ("o'neil", ["0"]),
        ("<script>", ["20"]),
        ("refused", ["refused"]),
        ("xyzzy", []),
    ],
)
def test_typing_shows_who_fits(opened, typed, points):
    opened.click("#search")
    opened.type(typed)
    assert shown(opened) == points
    assert opened.value("document.getElementById('count').textContent") == f"{len(points)} of {len(NAMES) + 1}"
    opened.type("")
    assert len(shown(opened)) == len(NAMES) + 1


def test_what_is_searched_for_stays_when_sorted(opened):
    opened.click("#search")
    opened.type("example.edu 7 o")
    found = sorted(shown(opened))
    opened.click(".students th:nth-child(2) button")
    assert sorted(shown(opened)) == found and 0 < len(found) < len(NAMES) + 1


def test_a_checks_number_leads_to_who_did_not_pass_it(opened):
    missed = opened.value("document.querySelector('.tallies [data-check]').textContent")
    opened.click(".tallies [data-check]")
    points = shown(opened)
    assert f"{len(points)} of" in missed and 0 < len(points) < len(NAMES)
    assert "refused" not in points and "40" not in points


def test_a_click_on_a_name_opens_the_students_page(opened):
    opened.click("#search")
    opened.type("o'neil")
    opened.events.clear()
    opened.click(".students tr:not([hidden]) a")
    opened.loaded()
    assert opened.value("location.pathname").endswith("/students/oneil/report.html")
    said = opened.value("document.body.innerText")
    assert "0 of 36 points" in said and "<script>alert(1)</script>" in said
    assert opened.value("document.querySelector('picture img').naturalWidth") > 100  # the curves of the training


def test_hostile_names_and_reasons_are_seen_as_text(opened):
    said = opened.value("document.body.innerText")
    assert "<script>window.hacked = 1</script><img src=x" in said and "<b>no</b> zip" in said
    assert not set(said) & set("\x1b\x9b\u202e")
    assert opened.value("document.scripts.length") == 1 and opened.value("document.images.length") == 0


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1200, False), (1200, True)])
def test_it_fits_the_screen_and_can_be_read(browser, folder, width, dark):
    browser.open(folder / "class.html", width=width, dark=dark)
    assert browser.value("document.documentElement.scrollWidth") <= width
    tables = "[...document.querySelectorAll('.wide')]"
    assert browser.value(f"{tables}.every((table) => table.scrollWidth <= table.clientWidth)")
    colours = "(({backgroundColor, color}) => [backgroundColor, color])(getComputedStyle(document.body))"
    paper, ink = browser.value(colours)
    brightness = [sum(json.loads(f"[{colour[4:-1]}]")) for colour in (paper, ink)]
    assert (brightness[0] < brightness[1]) == dark and abs(brightness[0] - brightness[1]) > 450


def test_without_scripts_it_is_a_table(browser, folder):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(folder / "class.html")
        assert len(shown(browser)) == len(NAMES) + 1
        assert browser.value("document.querySelector('.find').offsetHeight") == 0
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
