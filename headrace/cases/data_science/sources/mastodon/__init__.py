"""Posts of a Mastodon server: its time lines, live and saved."""
