"""Convolution and pooling on GPUs, in Triton."""
