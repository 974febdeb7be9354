"""Hints: which known fault gives exactly what a submission gave.

A hint is a hypothesis with numbers. A registry lists faults, each with the answer that it gives in
float64; a failure gets the text of the one fault that explains everything the submission answered.
"""
