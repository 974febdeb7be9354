"""EEE7331, special topics in deep learning (autumn 2022)."""
