"""The public contracts: what is taken, what is refused, and that the export and the docs agree."""
