"""What is right: expected values from torch.nn.functional in float64 and from mathematics."""
