"""Single faults of correct submissions, and what each of them must lose."""
