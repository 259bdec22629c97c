"""The shipped campaigns, one by one and together, in lives of single customers."""
