"""`headrace verify`: what the topics hold, against what landed, what was registered, processed and delivered.

`stack` reads the accounts of all programs, `compare` holds them against each other, offset by offset, without I/O.
"""
