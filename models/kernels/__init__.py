"""The numeric kernels of scoring, behind one interface, and the libraries that it stands for.

`models.vectorized` computes the same for whole batches: to the last bit, but for the probability of a language, whose
sums run in another order. `models.scoring` chooses between the two.
"""
