"""Folders that are broken, or made to break what reads them."""

import json
import os
from pathlib import Path

from tests.grader.submissions import UNFOLD
from tests.hostile.attack import ALL, PLACE, POOL, Attack, checks, pool, top

NOTEBOOK = json.dumps({"cells": [{"cell_type": "code", "source": UNFOLD}], "nbformat": 4, "metadata": {}})


def _link_to(target: str, name: str = PLACE):
    def furnish(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    return furnish


def _fifo(folder: Path) -> None:
    (folder / "deliverable1_2").mkdir(exist_ok=True)
    os.mkfifo(folder / PLACE)


def _many_files(folder: Path) -> None:
    for number in range(20_001):
        (folder / str(number)).touch()


def _deep(folder: Path) -> None:
    place = folder
    for _ in range(300):
        place = place / "d"
    place.mkdir(parents=True)


def _odd_names(folder: Path) -> None:
    with open(os.fsencode(folder / "deliverable1_2") + b"/caf\xe9 \x1b[2J.py", "wb") as file:
        file.write(b"raise SystemExit\n")


def _broken(name: str, tries: str, content: str | bytes, verdict: str = "error", slow: bool = False) -> Attack:
    return Attack(name, tries, {PLACE: content}, checks(ALL, verdict), slow=slow)


ATTACKS = [
    Attack("byte-order-mark", "a file with a byte order mark", {PLACE: b"\xef\xbb\xbf" + UNFOLD.encode()}),
    Attack("windows-lines", "a file with Windows's line ends", {PLACE: UNFOLD.replace("\n", "\r\n")}),
    Attack("tabs", "tabs and a comment in another script", {PLACE: UNFOLD.replace("    ", "\t") + "# 卷积\n"}),
    _broken("latin-1", "bytes that are no UTF-8, without saying so", b"name = 'caf\xe9'\n" + UNFOLD.encode()),
    _broken("null-bytes", "null bytes in the source", UNFOLD.encode() + b"\0"),
    _broken("syntax-error", "a syntax error", UNFOLD + "\ndef (:\n"),
    _broken("indentation", "tabs and blanks mixed", UNFOLD + "\nif 1:\n\tx = 1\n        y = 2\n"),
    _broken("nested-too-deeply", "an expression that overflows the parser", "x = " + "(" * 10_000 + ")" * 10_000),
    _broken("two-megabytes", "a source of two megabytes", UNFOLD + "#" * (2 << 20)),
    _broken("empty-file", "nothing in it", ""),
    _broken("someone-elses-names", "other names than the assignment's",
            UNFOLD.replace("MyFConv2D", "conv").replace("MyConv2D", "Conv").replace("MyMaxPool2D", "Pool")),
    _broken("missing-package", "imports what is not installed", "import tensorflow\n" + UNFOLD),
    _broken("asks-at-import", "asks a question at import", "lr = float(input('learning rate? '))\n" + UNFOLD),
    _broken("trains-at-import", "trains at import", "import time\nwhile True: time.sleep(1)\n" + UNFOLD,
            "timeout", slow=True),
    _broken("exits-at-import", "calls exit() at import", "exit(0)\n" + UNFOLD),
    Attack("no-gpu", "moves everything to a GPU", pool("return honest(self, x.cuda()).cpu()"), may=checks(POOL,
           "error|pass")),
    Attack("device-at-import", "asks for a GPU, and takes the CPU where there is none",
           top("import torch\ndevice = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\n")),
    Attack("writes-beside-itself", "writes into its own folder",
           top("import os\ntry: open(os.path.join(os.path.dirname(__file__), 'log.txt'), 'w').close()\n"
               "except OSError: pass\n")),
    Attack("link-to-a-file", "a link to a file of the system", {}, furnish=_link_to("/etc/passwd"),
           lost=checks(ALL, "error")),
    Attack("link-to-a-neighbour", "a link to another student's solution", {"deliverable1_2/x.txt": ""},
           checks(ALL, "error"), furnish=_link_to("../../neighbour/deliverable1_2/mytorch.py")),
    Attack("linked-folder", "the folder itself is a link to another student's", {"x.txt": ""},
           refused="holds nothing", furnish=_link_to("../neighbour/deliverable1_2", "deliverable1_2")),
    Attack("linked-helper", "a helper that is a link out of the submission", top("import helper"),
           checks(ALL, "error"), furnish=_link_to("/etc/passwd", "deliverable1_2/helper.py")),
    Attack("link-in-a-circle", "a folder that links to itself", top(""), furnish=_link_to(".",
           "deliverable1_2/again")),
    Attack("pipe", "a named pipe, which is never written to", {"deliverable1_2/x.txt": ""}, checks(ALL, "error"),
           furnish=_fifo),
    Attack("folder-for-file", "a folder named mytorch.py", {f"{PLACE}/__init__.py": UNFOLD}, checks(ALL, "error")),
    Attack("many-files", "more files than anyone writes", top(""), furnish=_many_files, refused="more than"),
    Attack("deep-folders", "folders 300 deep", top(""), furnish=_deep),
    Attack("odd-names", "a name that is no UTF-8 and clears the screen", top(""), furnish=_odd_names),
    Attack("hyphens", "folders spelled otherwise", {"HW3/Deliverable1-2/mytorch.py": UNFOLD}),
    Attack("twice", "the folder twice, so that one could be hidden",
           {PLACE: UNFOLD, "Deliverable1-2/mytorch.py": "x = 1\n"}, refused="more than once"),
    Attack("notebook", "a notebook", {"deliverable1_2/mytorch.ipynb": NOTEBOOK}, checks(ALL, "error")),
    Attack("nothing", "an empty folder", {}, refused="holds nothing"),
    Attack("hidden-package", "its code in a hidden folder", {PLACE: "from .venv.mytorch import *\n",
           "deliverable1_2/.venv/mytorch.py": UNFOLD}, checks(ALL, "error")),
    Attack("own-packages", "helpers in a package of its own",
           {PLACE: "from parts.layers import *\nfrom parts import layers\n",
           "deliverable1_2/parts/__init__.py": "", "deliverable1_2/parts/layers.py": UNFOLD}),
    Attack("data-file", "a table of answers beside it", {**top("import os\n"
           "assert os.path.exists(os.path.join(os.path.dirname(__file__), 'answers.npz')), 'not here'\n"),
           "deliverable1_2/answers.npz": b"0" * 1000}, checks(ALL, "error")),
]  # fmt: skip
