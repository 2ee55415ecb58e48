"""``/settings`` and ``/versions``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import settings
from app.admin.resources.settings import SettingList, VersionsOut

section = Section("settings", "Settings")


@section.get("/settings", permission="settings:read")
def list_settings(desk: Desk) -> SettingList:
    """List the effective settings, each with where it comes from; secrets only as given or not."""
    return settings.index(desk)


@section.get("/versions", permission="settings:read")
def get_versions(desk: Desk) -> VersionsOut:
    """Say what runs: versions of the program, its tables, Python, database and Redis."""
    return settings.versions(desk)
