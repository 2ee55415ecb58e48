"""The page at ``/me`` on which visitors see their own account, and nobody else's.

``entry`` lets them in and out, ``access`` knows who is in, ``reading`` reads what ``pages`` show.
"""
