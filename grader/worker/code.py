"""Which files a session may import, and by which names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Code:
    """The code of one session, which need not come from one author.

    Args:
        files: module name -> file, as the submission's own imports spell it. With
            `{"mytorch": theirs, "train": ours}`, our training runs on their layers.
        packages: top-level package name -> folder, for a submission that is a package.
        jit_cache: folder for compiled kernels. Sessions of one author may share it;
            sessions of two must not, since what lies in it is executed.
    """

    files: Mapping[str, Path]
    packages: Mapping[str, Path] = field(default_factory=dict)
    jit_cache: Path | None = None

    def resolved(self) -> tuple[dict[str, str], dict[str, str]]:
        """Files and packages with absolute paths, without symbolic links."""
        files = {name: str(Path(path).resolve()) for name, path in self.files.items()}
        return files, {name: str(Path(path).resolve()) for name, path in self.packages.items()}
