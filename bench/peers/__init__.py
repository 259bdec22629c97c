"""Other stream processors doing the least of our work on the same topic, for comparison."""
