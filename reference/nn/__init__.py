"""The Modules over `reference.kernels`."""
