"""pygal, without the hook it puts into every import of the process, and without its slowest step.

The hook finds plug-ins of old, none of which is used here, in a way that Python 3.11 warns of at
each import that comes after it and later versions pass by.

For each series it asks a hundred times which names a series' options have. They never change, and
making the list each time takes half of a drawing's time.
"""

import sys

import pygal
from pygal.config import SerieConfig

sys.meta_path[:] = [one for one in sys.meta_path if type(one).__module__ != pygal.__name__]

_NAMES = dir(SerieConfig())
SerieConfig.__dir__ = lambda _: _NAMES

__all__ = ["pygal"]
