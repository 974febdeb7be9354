"""Hints: which known fault gives exactly what a submission gave.

A hint is a hypothesis with numbers. A registry lists faults, each with the answer that it gives in
float64; a failure gets the text of the one fault that explains everything the submission answered.
"""


def below(reason: str, said: str) -> str:
    """A reason with the hint on a line of its own; as it was where there is no hint."""
    return f"{reason}\n  hint: {said}" if said else reason
