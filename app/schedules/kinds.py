"""The kinds of things that can be scheduled.

One line here, and the console, the API and the command line offer it.
"""

from app.schedules import export, report, statements
from app.schedules.closed import closed_months
from app.schedules.makers import Kinds

KINDS = Kinds(
    makers={
        report.KIND: report.MAKER,
        export.KIND: export.MAKER,
        statements.KIND: statements.MAKER,
    },
    closed_months=closed_months,
)
"""What can be scheduled: for each kind, who makes the files. The kinds there are: ``kinds``."""
