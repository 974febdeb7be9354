"""The grader: a submission goes in, a result that can be defended comes out."""
