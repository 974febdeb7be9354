"""The faces of a result: on the terminal, as JSON, as plots."""
