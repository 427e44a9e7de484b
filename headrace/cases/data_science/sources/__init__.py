"""The sources of this case: declarations of live sources and file sources, and the packages that implement them."""
