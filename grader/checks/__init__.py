"""What a check does: ask the worker, judge by the oracles. One file per kind of handle."""
