"""The corpus as folders, to be looked at, or to be tried on another grader.

    python -m tests.hostile FOLDER

writes a folder for each submission, and README.md with a line for each: what it tries, and what it must get. Nothing
of it is run. Services and neighbours that some look for are not there: those are made by `pytest tests/hostile`.
"""

import argparse
from pathlib import Path

from tests.hostile.attack import Attack
from tests.hostile.test_corpus import CORPUS, PROJECT

HEAD = "| folder | tries | loses | may lose | holds from tier |\n|---|---|---|---|---|\n"


def row(attack: Attack) -> str:
    """A line of the table."""
    lost = f"everything: refused ({attack.refused})" if attack.refused else _said(attack.lost) or "nothing"
    cells = (f"`{attack.name}`", attack.tries, lost, _said(attack.may), attack.needs)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _said(verdicts: dict[str, str]) -> str:
    return ", ".join(f"`{pattern}`: {verdict.replace('|', ' or ')}" for pattern, verdict in verdicts.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new one")
    folder = parser.parse_args().folder
    if folder.exists():
        parser.error(f"expected a folder that is not there yet, found {folder}")
    folder.mkdir(parents=True)
    for attack in CORPUS:
        (folder / attack.name).mkdir()
        attack.build(folder / attack.name, PROJECT)
    (folder / "README.md").write_text("# Hostile and broken submissions\n\n" + HEAD + "".join(map(row, CORPUS)))
    print(f"{len(CORPUS)} submissions in {folder}; README.md says what each tries and must get")


if __name__ == "__main__":
    main()
