"""Plain-Python twins of the compiled kernels, written from LND's source and from papers, not from the kernels.

They are slow and simple on purpose: dictionaries, objects, integers without
limits, no pruning. A property test says that kernel and twin agree exactly.
"""
