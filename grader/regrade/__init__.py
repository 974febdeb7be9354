"""Two results compared, and one repeated: `python -m grader diff` and `python -m grader repeat`."""
