"""Builds one table from given rows, in memory: the engine, the types and the macros are those of the warehouse."""
