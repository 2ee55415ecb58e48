"""pygal, without the hook it puts into every import of the process.

It finds plug-ins of old, none of which is used here, in a way that Python 3.11 warns of at each
import that comes after it and later versions pass by.
"""

import sys

import pygal

sys.meta_path[:] = [one for one in sys.meta_path if type(one).__module__ != pygal.__name__]

__all__ = ["pygal"]
