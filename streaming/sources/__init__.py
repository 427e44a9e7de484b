"""Sources: what turns input from outside (files, recordings, a simulated shop) into events on the input topics."""
