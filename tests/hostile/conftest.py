"""Which tier of isolation the corpus is graded in, the strongest that holds here or a given one; on one thread."""

import pytest

from tests.one_thread import one_thread  # noqa: F401 (a fixture)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--isolation",
        default="auto",
        metavar="auto|bwrap|unshare|process",
        help="tier that tests/hostile grades in, as the grader's option of this name (default: %(default)s)",
    )


@pytest.fixture(scope="session")
def isolation(request: pytest.FixtureRequest) -> str:
    """The tier's name; pytest knows the option where this folder is named on its command line."""
    return request.config.getoption("--isolation", "auto")
