"""Entry of the process that tries a tier: `python -I -S probe.py TIER USER SCRATCH FOLDER...`.

It raises the walls as a session does, around a process that does nothing, and looks whether they
hold. Says "holds", or what is in the way. FOLDERs are those that packages are imported from.
"""

import importlib
import os
import sys
import types


def main() -> None:
    """Fork, enter, look, and say."""
    tier, user, scratch, *folders = sys.argv[1:]
    package = types.ModuleType("_chalkbench")
    package.__path__ = [os.path.dirname(os.path.abspath(__file__))]
    sys.modules["_chalkbench"] = package
    walls_module = importlib.import_module("_chalkbench.walls")
    walls = walls_module.Walls(tier, int(user) if user else None)
    walls.prepare()
    walls.before_fork()
    pid = os.fork()
    if pid == 0:
        try:
            walls.enter(scratch, 1 << 20, 100)
            print(_look(walls, walls_module, scratch, folders), flush=True)
        except OSError as error:
            print(error, flush=True)
        os._exit(0)
    os.waitpid(pid, 0)


def _look(walls: object, module: types.ModuleType, scratch: str, folders: list[str]) -> str:
    """What a session would find."""
    with open(os.path.join(scratch, "written"), "w") as file:
        file.write("x")
    for folder in [*folders, os.path.dirname(os.__file__)]:
        if not os.access(folder, os.R_OK | os.X_OK):
            return f"user {os.getuid()} cannot read {folder}, which packages are imported from"
    if walls.user is not None and os.getresuid() != (walls.user,) * 3:
        return "the user is still the same"
    if walls.has_namespaces:
        if os.getpid() != 1:
            return "processes outside can be seen"
        if module.sees_a_network():
            return "there is a network"
        try:
            with open(os.path.join(os.path.dirname(scratch), "outside"), "w"):
                return "files outside of the scratch folder can be written"
        except OSError:
            pass
    return "holds"


if __name__ == "__main__":
    main()
