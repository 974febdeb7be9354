"""The layer table of any network: what each layer is, gives, holds and costs, computed and not counted by hand.

    python -m reference.summary FILE.py:CLASS --input 3x32x32 --face markdown
"""

from reference.summary.faces import FACES
from reference.summary.table import Row, Table, summarise

__all__ = ["FACES", "Row", "Table", "summarise"]
