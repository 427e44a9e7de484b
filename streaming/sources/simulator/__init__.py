"""A simulated shop, so that the platform runs without anybody's data: access log, orders, customers, opinions, weather.

Everything here is deterministic: randomness comes from seeded generators, and no clock is read but in `run`.
"""
