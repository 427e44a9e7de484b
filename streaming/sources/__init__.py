"""Sources: turn external input (files, recordings, a simulated shop) into events on the input topics."""
