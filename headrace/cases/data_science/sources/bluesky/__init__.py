"""Posts of Bluesky: from Jetstream, live and recorded."""
