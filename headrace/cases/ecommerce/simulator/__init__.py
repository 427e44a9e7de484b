"""A simulated shop, so that the platform runs without external data: access log, orders, customers, opinions, weather.

Everything here is deterministic: randomness comes from seeded generators, and only `run` reads the clock.
"""
