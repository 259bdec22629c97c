"""Ways out of the building. `channel.py` is what each of them is."""
