"""How pooling is computed: each algorithm in a file, and which one is chosen."""
