"""Unit tests of tables and processors, written as YAML: reading the files, running them, comparing, writing what came
out. Nothing needs a stack.
"""
