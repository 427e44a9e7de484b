"""Observations of the weather: from files and from forecast services."""
