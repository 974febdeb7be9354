"""`python -m grader hw3 . --watch`: grade, as soon as a file is saved, what the file has a part in."""
