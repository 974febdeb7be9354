"""Evasion attacks with an L∞ limit: one file per method, one line each in `reference.attacks.registry`."""
