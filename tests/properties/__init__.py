"""Laws that hold for every history, order of arrival, slicing and crash."""
