"""How a convolution is computed: each algorithm in a file, and which one is chosen."""
