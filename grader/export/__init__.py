"""Graders for other services, as one file to upload: `python -m grader export`."""
