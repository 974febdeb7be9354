"""What all tests share: the implementation under test, and how hypothesis draws."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile("chalkbench", deadline=None, max_examples=30)
hypothesis.settings.load_profile("chalkbench")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--impl",
        # In a hand-out there is no reference, and the folder itself is the submission.
        default="reference" if (ROOT / "reference").is_dir() else ".",
        metavar="reference|student|PATH",
        help="folder of the submission that tests/deliverable* test (default: %(default)s)",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """tests/deliverable1/… carries the marker deliverable1, and so on."""
    for item in items:
        folder = item.path.relative_to(ROOT).parts[1]
        if folder.startswith("deliverable"):
            item.add_marker(folder)


@pytest.fixture(scope="session")
def submission(request: pytest.FixtureRequest):
    """The submission under test, located as the grader locates it."""
    from grader.assignments.hw3 import HW3
    from grader.submission import SubmissionError, find

    given = request.config.getoption("--impl")
    place = given if Path(given).exists() else str(ROOT / given)
    folders = {deliverable.folder: deliverable.files for deliverable in HW3.deliverables}
    try:
        return find(place, assignment="hw3", folders=folders)
    except SubmissionError as error:
        pytest.exit(f"--impl {given}: {error}", returncode=4)


@pytest.fixture(scope="session")
def load_module(submission):
    """Import a module of the submission by its plain name, as the submission itself does.

    Unlike the grader, which never does this: tests run on code that whoever runs them trusts.
    """

    loaded: dict[Path, ModuleType] = {}

    def load(name: str, folder: str = "deliverable1_2") -> ModuleType:
        path = submission.file(folder, name)
        if path is None:
            pytest.fail(f"{folder}/{name}.py is missing in {submission.root}", pytrace=False)
        if path in loaded:
            return loaded[path]
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        # Two folders have a `train`: the name stands for the one that was loaded last.
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        loaded[path] = module
        return module

    return load


@pytest.fixture(scope="session")
def mytorch(load_module):
    """Deliverable 1's module."""
    return load_module("mytorch")


@pytest.fixture(scope="session")
def train(load_module, mytorch):
    """Deliverable 2's module."""
    return load_module("train")


@pytest.fixture(scope="session")
def model(load_module):
    """Deliverable 3's module."""
    return load_module("model", folder="deliverable3_5")


@pytest.fixture(scope="session")
def train_resnet(load_module, model):
    """The module of deliverables 4 and 5."""
    return load_module("train", folder="deliverable3_5")
