"""Reading uploaded data sets: one module per format, shared by server and workers, without torch.

The server reads a file once to say what it is; a worker reads the same file, checked by its hash,
to train on it. Nothing is ever unpickled, and no archive is ever unpacked to disk.
"""
