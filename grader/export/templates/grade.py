"""Grade one submission in Gradescope's container: `python -I -S grade.py ROOT`, or `--check` at the end of setup.

The order matters: what the grader and its worker share is imported first, then the stem is forked, which
workers come from, and only then this process becomes the grader.
"""

import importlib.util
import os
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
# A worker's own, and nothing of the grader. Every optimiser's first step imports torch._dynamo, 80 MB.
SHARED = ("torch", "torch._dynamo", "numpy", "numba", "msgspec", "psutil")


def site_packages() -> list[str]:
    """Where packages lie: `-S` leaves them out, and with them every .pth file."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = Path(sys.executable).parents[1] / "lib" / version / "site-packages"
    folders = [str(own), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return [folder for folder in dict.fromkeys(folders) if Path(folder).is_dir()]


def main() -> int:
    """Fork the stem, then grade; or say which tier of isolation holds."""
    sys.path.extend(site_packages())
    for name in SHARED:
        __import__(name)
    found = importlib.util.spec_from_file_location("stem", HERE / "grader" / "export" / "stem.py")
    stem = importlib.util.module_from_spec(found)
    found.loader.exec_module(stem)
    grown = stem.grow()
    sys.path.insert(0, str(HERE))
    from grader.export import inside

    if sys.argv[1] == "--check":
        settings = inside.read(HERE)
        print("isolation:", inside.permitted(settings.isolation).name)
        return 0
    return inside.main(Path(sys.argv[1]), grown)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the result is written, and torch takes its time to shut down
