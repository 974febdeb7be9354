"""Entry of a worker process: `python -I -S child.py DESCRIPTOR PRELOAD TIER USER HIDDEN FOLDER...`.

Started without `site`, so that no .pth file makes this project importable, and with an
empty environment. FOLDERs are the site-packages to import from, PRELOAD the packages to
import once for all sessions; TIER, USER ("" for the same) and HIDDEN (folders with colons between
them) say which walls stand around each session. Of this project only the modules of this folder are loaded,
under a private name that leads nowhere afterwards.
"""

import importlib
import os
import socket
import sys
import types


def main() -> None:
    """Import what every session needs, then fork sessions until the grader hangs up."""
    descriptor, preload, tier, user, hidden, *folders = sys.argv[1:]
    control = socket.socket(fileno=int(descriptor))
    sys.path.extend(folders)
    sys.dont_write_bytecode = True
    package = types.ModuleType("_chalkbench")
    package.__path__ = [os.path.dirname(os.path.abspath(__file__))]
    sys.modules["_chalkbench"] = package
    walls = importlib.import_module("_chalkbench.walls").Walls(
        tier, int(user) if user else None, [place for place in hidden.split(":") if place]
    )
    walls.prepare()  # before numpy and torch start threads
    zygote = importlib.import_module("_chalkbench.zygote")
    zygote.preload(preload.split(","))
    package.__path__ = []
    zygote.serve(control, walls)
    os._exit(0)  # nothing is left to be done, and torch takes its time to shut down


if __name__ == "__main__":
    main()
