"""The application for a gunicorn of your own: ``gunicorn --worker-class gthread app.wsgi:app``.

Do not preload it: it holds connections, which must be made after the fork.
"""

from app.config import load
from app.factory import create_app
from app.telemetry import logs

settings = load()
logs.configure(settings.logging.level, settings.logging.format)
app = create_app(settings)
