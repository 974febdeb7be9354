"""Which tier of isolation the corpus is graded in, the strongest that holds here or a given one; on one thread."""

from collections.abc import Iterator

import pytest
import torch


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


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Expected values of some hundred numbers gain nothing from threads, and wait for them on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
