"""Classes on disk, as the three learning platforms export them."""

import io
import tarfile
import zipfile
from pathlib import Path

SOURCE = "def MyFConv2D(*args, **kwargs):\n    raise NotImplementedError\n"
FILE = "deliverable1-2/mytorch.py"

METADATA = """\
---
submission_101:
  :submitters:
  - :name: Alice Andrews
    :sid: '7001'
    :email: alice@example.edu
  :created_at: 2026-11-01 12:00:00.000000000 Z
  :score: !ruby/object:BigDecimal 18:0.1e2
  :history: []
submission_102:
  :submitters:
  - :name: Bob Brown
    :sid: '7002'
    :email: bob@example.edu
  - :name: "=HYPERLINK(1)"
    :sid: '7003'
    :email: carol@example.edu
"""


def zipped(files: dict[str, str | bytes]) -> bytes:
    """A zip with these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def tarred(files: dict[str, bytes], *infos: tarfile.TarInfo, mode: str = "w:gz") -> bytes:
    """A tar with these files, and with members that have no content."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
        for info in infos:
            archive.addfile(info)
    return content.getvalue()


GRADESCOPE = {
    "assignment_5_export/submission_metadata.yml": METADATA,
    f"assignment_5_export/submission_101/{FILE}": SOURCE,
    f"assignment_5_export/submission_102/{FILE}": SOURCE + "# Bob's\n",
}
CANVAS = {
    "andrewsalice_11_901_hw3.zip": zipped({FILE: SOURCE}),
    "brownbob_LATE_12_902_mytorch-2.py": SOURCE,
    "brownbob_LATE_12_903_train.py": SOURCE,
}
MOODLE = {
    f"Alice Andrews_11_assignsubmission_file_/{FILE}": SOURCE,
    "Bob Brown_12_assignsubmission_file_/hw3.tar.gz": tarred({FILE: SOURCE.encode()}),
    "Bob Brown_12_assignsubmission_onlinetext_/onlinetext.html": "see the file",
    "Carol Clark_13_assignsubmission_file_hw3.zip": zipped({FILE: SOURCE}),
}


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    """These files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
