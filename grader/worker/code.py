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
        jit_cache: folder with compiled kernels, which each session gets a copy of.
        keeps_jit_cache: whether it gets back what a session compiled besides. Only for code that
            is trusted: what lies in the folder is executed.
    """

    files: Mapping[str, Path]
    packages: Mapping[str, Path] = field(default_factory=dict)
    jit_cache: Path | None = None
    keeps_jit_cache: bool = False

    def resolved(self) -> tuple[dict[str, str], dict[str, str]]:
        """Files and packages with absolute paths, without symbolic links."""
        files = {name: str(Path(path).resolve()) for name, path in self.files.items()}
        return files, {name: str(Path(path).resolve()) for name, path in self.packages.items()}
