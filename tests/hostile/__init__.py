"""Submissions that try to gain what they have not earned, and what each of them must get."""
