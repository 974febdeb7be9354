"""The faces of a result: on the terminal, as JSON, as plots, as a report, and as what other services read."""
