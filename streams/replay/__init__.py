"""History through the memory backend: the same decisions as live, on simulated time."""
