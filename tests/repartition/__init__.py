"""More and fewer partitions: what partitions hand over."""
