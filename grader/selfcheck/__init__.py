"""The grader is graded: what the reference, the stubs and a catalogue of single faults must get."""
