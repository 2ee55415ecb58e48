"""The kinds of things that can be scheduled.

One line here, and the console, the API and the command line offer it.
"""

from app.schedules import report
from app.schedules.makers import Kinds

KINDS = Kinds(makers={report.KIND: report.MAKER})
