"""Every table of the service, for migrations and the check that compares them with the models."""

import app.alerts.models
import app.audit.models
import app.closings.models
import app.codes.models
import app.deliveries.models
import app.findings.models
import app.jobs.models
import app.ledger.credit.models
import app.ledger.models
import app.links.models
import app.metering.models
import app.operators.models
import app.plans.models
import app.pricing.models
import app.reports.models
import app.retention.models
import app.revision
import app.saved_views.models
import app.schedules.models
import app.sightings.models
import app.tokens.models
import app.unfinished.models
import app.users.models  # noqa: F401 - imported for their tables
from app.db import Base

metadata = Base.metadata
