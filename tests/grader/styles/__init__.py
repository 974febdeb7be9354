"""Correct submissions, each in another style: a folder is one, and its modules say what is different."""
