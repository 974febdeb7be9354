"""The filled-in layer tables, part_a.csv and part_b.csv, and the set-up in table form."""

import pytest

from grader.checks.table import TableError, read
from grader.oracles import layer_table

FILES = {"CustomCNN": "part_a.csv", "SeparableCNN": "part_b.csv"}
FAULTS = {
    "settings": layer_table.settings_faults,
    "feature maps": layer_table.feature_map_faults,
    "weights": layer_table.weight_faults,
    "neurons": layer_table.neuron_faults,
    "totals": layer_table.total_faults,
}


@pytest.fixture(scope="module")
def table(submission, network):
    """The cells of a part's table, row by row."""
    name = FILES[network.handle]
    path = submission.document("question1", name)
    if path is None:
        pytest.fail(f"question1/{name} is missing in {submission.root}", pytrace=False)
    try:
        return read(path, layer_table.row_names(network))
    except TableError as error:
        pytest.fail(f"{name}: {error}", pytrace=False)


@pytest.mark.parametrize("what", FAULTS)
def test_the_table_is_that_of_the_network(network, table, what):
    faults = FAULTS[what](network, table)
    if faults:
        pytest.fail("\n".join(map(str, faults)), pytrace=False)


def test_the_training_setup_is_described_in_a_table_without_empty_cells(submission):
    path = submission.document("question1", "setup.md")
    if path is None:
        pytest.fail(f"question1/setup.md is missing in {submission.root}", pytrace=False)
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    empty = [row[0] for row in rows if not all(row)]
    assert rows and not empty, f"not filled in: {', '.join(empty) or 'there is no table'}"
