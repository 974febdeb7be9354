"""One worker for all tests, and submissions written from text."""

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.worker import CONVOLUTION, FFT, POOLING, Code, Isolation, Reply, Rules, Session, Worker, pack
from grader.worker import messages as m

RULES = Rules(operators=(CONVOLUTION, POOLING, FFT))


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    with Worker(preload=("torch", "numpy")) as started:
        yield started


@pytest.fixture(scope="session")
def plain() -> Iterator[Worker]:
    """A worker without walls, for what a test must see from outside: process ids, files."""
    with Worker(preload=(), isolation=Isolation("process")) as started:
        yield started


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Code]:
    """`write(mytorch="source", ...)` is a submission of these modules in one folder."""

    def write(**sources: str) -> Code:
        folder = tmp_path / "submission"
        folder.mkdir(exist_ok=True)
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(source))
        return Code({name: folder / f"{name}.py" for name in sources})

    return write


@pytest.fixture
def open_session(worker: Worker, write: Callable[..., Code]) -> Callable[..., Session]:
    """A session on a module `mytorch` with this source."""

    def open_session(source: str, **options: object) -> Session:
        return worker.session(write(mytorch=source), **options)

    return open_session


def call(
    session: Session, name: str, *args: object, wall: float = 20.0, reply_bytes: int = 1 << 20, **kw: object
) -> Reply:
    """Call `mytorch.name` with these arguments."""
    arrays = []
    packed, keywords = pack(args, kw, arrays)
    return session.request(m.Call("mytorch", name, packed, keywords), arrays, wall=wall, reply_bytes=reply_bytes)
