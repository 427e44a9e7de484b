"""The feedback service: a form for people and an API for programs. What it accepts is acknowledged by the broker."""
