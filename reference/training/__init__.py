"""Training, written once for every assignment: batches on the device, the loop."""
