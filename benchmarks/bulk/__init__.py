"""Much usage, made and written the bulk way: see ../load_usage.py."""
