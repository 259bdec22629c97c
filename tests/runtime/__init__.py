"""The cycle and its stores, on the memory backend and on a real Redis."""
