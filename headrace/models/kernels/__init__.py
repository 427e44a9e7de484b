"""The numeric kernels of scoring, behind one interface, and the implementation by libraries.

`headrace.models.vectorized` computes the same for whole batches: to the last bit, except for language probabilities,
whose sums run in a different order. `headrace.models.scoring` chooses between the two. VADER (`vader`) has one
implementation.
"""
