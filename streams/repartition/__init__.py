"""More or fewer journal partitions: every customer moves into a new generation of journal and state."""
