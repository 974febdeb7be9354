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
    """tests/deliverable1/… carries the marker deliverable1, and so on; tests/eee7331/… the marker eee7331."""
    for item in items:
        folder = item.path.relative_to(ROOT).parts[1]
        if folder.startswith("deliverable") or folder == "eee7331":
            item.add_marker(folder)


@pytest.fixture(scope="session")
def locate(request: pytest.FixtureRequest):
    """An assignment → the submission under test, located as the grader locates it."""
    from grader.declaration import Assignment
    from grader.submission import Submission, SubmissionError, find

    given = request.config.getoption("--impl")
    place = given if Path(given).exists() else str(ROOT / given)

    def found(assignment: Assignment) -> Submission:
        try:
            return find(place, assignment=assignment.name, folders=assignment.folders, home=assignment.home)
        except SubmissionError as error:
            pytest.exit(f"--impl {given}: {error}", returncode=4)

    return found


@pytest.fixture(scope="session")
def submission(locate):
    """HW3's submission; the folder of another assignment's tests has its own."""
    from grader.assignments.hw3 import HW3

    return locate(HW3)


class Modules:
    """The modules of a submission, imported by their plain names, as the submission itself does.

    Unlike the grader, which never does this: tests run on code that whoever runs them trusts.
    """

    def __init__(self, submission):
        self.submission = submission
        self.loaded: dict[Path, ModuleType] = {}

    def __call__(self, name: str, folder: str = "deliverable1_2") -> ModuleType:
        path = self.submission.file(folder, name)
        if path is None:
            pytest.fail(f"{folder}/{name}.py is missing in {self.submission.root}", pytrace=False)
        if path in self.loaded:
            return self.loaded[path]
        self._make_way(path.parent)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        self.loaded[path] = module
        return module

    def _make_way(self, folder: Path) -> None:
        """Other folders have a `model` and a `train` too: a module imports what lies beside it."""
        sys.path[:] = [str(folder), *(place for place in sys.path if place != str(folder))]
        for beside in folder.glob("*.py"):
            sys.modules.pop(beside.stem, None)
        sys.modules.update({path.stem: module for path, module in self.loaded.items() if path.parent == folder})


@pytest.fixture(scope="session")
def modules() -> type[Modules]:
    """Of a submission: `modules(submission)("train", folder="question1")`."""
    return Modules


@pytest.fixture(scope="session")
def load_module(submission, modules):
    """Import a module of HW3's submission."""
    return modules(submission)


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
