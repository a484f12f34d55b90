"""How each kind of ensemble selects its members, a file for each way.

A kind's spec class names its function, `(request, context) -> Selection`. It sees validation rows
alone. It returns None where a candidate that it selected turned out to be unusable while it was
read: `context.candidates.usable` is then without it, and the function is called again.
"""
