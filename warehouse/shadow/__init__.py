"""Builds changed tables beside the real ones, for `headrace plan`: shows what would differ, and replaces them at once.

The shadow is temporary tables of one connection, built from the rows of the real inputs at one snapshot. So a plan that
is killed leaves nothing in the lake.
"""
