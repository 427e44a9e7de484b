"""`headrace verify`: compares what the topics hold with what was landed, registered, processed and delivered.

`stack` reads the accounts of all programs; `compare` compares them offset by offset, without I/O.
"""
