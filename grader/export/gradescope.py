"""A zip for Gradescope: `setup.sh`, `run_autograder`, and what they need of this project.

What goes in is a closed list. The reference and the tests stay out: only `--swap`, and the second run of
a deliverable whose foundation fails, would need the reference. Stubs and hand-outs are made from the
reference and stay out with it. Equal content makes an equal zip, byte for byte.

Source: Gradescope, Autograder Specifications (gradescope-autograders.readthedocs.io).
"""

import io
import re
import tomllib
import zipfile
from pathlib import Path

from data_scripts.hw3_models import NAME as MODELS
from data_scripts.registry import REAL
from grader.assignments import ASSIGNMENTS
from grader.export.settings import NAME as SETTINGS
from grader.export.settings import Settings
from grader.handout import WITHHELD
from grader.stubs import ROOT

TEMPLATES = Path(__file__).parent / "templates"
LARGEST = 100_000_000  # bytes; Gradescope takes 100 MB
SPARE_SECONDS = 30  # to write the result before Gradescope ends the container
EXECUTABLE = ("setup.sh", "run_autograder")
# What Python, numba and a write that was cut short leave behind.
LEFTOVERS = re.compile(r"(^|/)(__pycache__|\.[^/]+|[^/]*\.(pyc|nbi|nbc|partial))(/|$)")
# Parts of the grader that make something from the reference, hold solutions, or only serve the command line.
LEFT_OUT = ("grader/handout/", "grader/stubs.py", "grader/markers.py", "grader/text_markers.py",
            "grader/command_line.py", "grader/__main__.py",
            "grader/export/gradescope.py", "grader/export/command.py", "grader/export/templates/",
            "grader/classroom/similarity.py", "grader/regrade/", "grader/selfcheck/", "grader/watch/")  # fmt: skip


class ExportError(ValueError):
    """The zip cannot be made; the message says what to do."""


def collect(
    settings: Settings,
    *,
    data: Path,
    with_data: bool = False,
    pip_config: Path | None = None,
    root: Path = ROOT,
) -> dict[str, bytes]:
    """Gather the files of an autograder.

    Args:
        settings: how it grades.
        data: where the data sets lie here.
        with_data: whether to pack them; else setup.sh fetches them.
        pip_config: a pip.conf that says where packages come from; None for pip's own choice.
        root: the repository.

    Returns:
        Path in the zip → bytes, sorted.

    Raises:
        ExportError: something that is needed is missing here.
        ValueError: settings that do not fit the assignment.
    """
    assignment = settings.applied(ASSIGNMENTS[settings.assignment])
    chosen = [assignment.deliverable(number) for number in settings.deliverables]
    sets = sorted({deliverable.data for deliverable in chosen if deliverable.data})
    files = {}
    for pattern in ("grader/**/*", "data_scripts/**/*", "constraints.txt"):
        files |= _found(root, pattern)
    files["grade.py"] = (TEMPLATES / "grade.py").read_bytes()
    files["requirements.txt"] = _requirements(root / "pyproject.toml")
    files[SETTINGS] = settings.encoded()
    if pip_config is not None:
        files["pip.conf"] = _read(pip_config, "name pip's configuration with --pip-config FILE")
    if settings.data == "synthetic":
        sets = [REAL[name].spec.standin for name in sets]
    stores = sets if with_data else []
    if settings.data == "real" and any(deliverable.attacks for deliverable in chosen):
        # Nobody publishes HW3's models A and B, so setup.sh could not fetch them.
        stores = [*stores, MODELS]
    for name in stores:
        files |= _store(data, name)
    sets = [name for name in sets if name not in stores]
    seconds = max(60, round(60 * settings.minutes) - SPARE_SECONDS)
    made_by = "fetch" if settings.data == "real" else "synthesize"
    filled = {"@seconds@": str(seconds), "@data@": " ".join(sets), "@made_by@": made_by}
    for name in EXECUTABLE:
        text = (TEMPLATES / name).read_text(encoding="utf-8")
        for mark, value in filled.items():
            text = text.replace(mark, value)
        files[name] = text.encode()
    return dict(sorted(files.items()))


def packed(files: dict[str, bytes]) -> bytes:
    """The zip's bytes: the same for the same files.

    Raises:
        ExportError: it is larger than Gradescope takes.
    """
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name)  # dated 1980, and not today
            entry.create_system, entry.compress_type = 3, zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name in EXECUTABLE else 0o100644) << 16
            archive.writestr(entry, content)
    size = target.tell()
    if size > LARGEST:
        raise ExportError(
            f"the zip has {size / 1e6:.0f} MB, and Gradescope takes {LARGEST / 1e6:.0f}: leave out --with-data, "
            "and setup.sh fetches the data sets when the image is built"
        )
    return target.getvalue()


def longest(settings: Settings) -> float:
    """Minutes that all checks together may take at most."""
    assignment = settings.applied(ASSIGNMENTS[settings.assignment])
    checks = [check for number in settings.deliverables for check in assignment.deliverable(number).checks]
    return sum(check.seconds for check in checks) / 60


def _found(root: Path, pattern: str) -> dict[str, bytes]:
    found = {}
    for path in root.glob(pattern):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not LEFTOVERS.search(name) and not name.startswith((*WITHHELD, *LEFT_OUT)):
            found[name] = path.read_bytes()
    if not found:
        raise ExportError(f"{root / pattern}: expected files of this project, found none")
    return found


def _store(data: Path, name: str) -> dict[str, bytes]:
    folder = data / name
    files = {f"data/{name}/{path.name}": path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()}
    if not files:
        fetch = f"python -m data_scripts.fetch {name} --root {data}"
        raise ExportError(f"{folder}: expected the data set, found none: {fetch}")
    return files


def _requirements(project: Path) -> bytes:
    """The project's dependencies, one per line: the project itself is not installed, so that no session finds it."""
    with open(project, "rb") as file:
        return ("\n".join(tomllib.load(file)["project"]["dependencies"]) + "\n").encode()


def _read(path: Path, mend: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror}; {mend}") from None
