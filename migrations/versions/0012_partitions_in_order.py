"""Partitions are made in the order in which finishes lock.

To attach one locks the default partition, and then usage events, for the foreign key. A finish
whose lines go to the default partition has locked events before: each could wait for the other. So
events come first here, too.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

FUNCTION = """
    CREATE OR REPLACE FUNCTION shareauth_add_usage_month(month integer) RETURNS boolean AS $$
    DECLARE
        name text := 'usage_lines_' || COALESCE(month::text, 'default');
    BEGIN
        IF to_regclass(name) IS NOT NULL THEN
            RETURN false;
        END IF;
        -- events first
        EXECUTE format(
            'CREATE TABLE %I (LIKE usage_lines INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name
        );
        EXECUTE format(
            'ALTER TABLE usage_lines ATTACH PARTITION %I %s', name,
            CASE WHEN month IS NULL THEN 'DEFAULT'
            ELSE format('FOR VALUES IN (%s)', month) END
        );
        EXECUTE format(
            'CREATE TRIGGER usage_lines_no_truncate BEFORE TRUNCATE ON %I '
            'FOR EACH STATEMENT EXECUTE FUNCTION shareauth_refuse_change()', name
        );
        RETURN true;
    END $$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
"""
EVENTS_FIRST = """
        LOCK TABLE usage_events IN SHARE ROW EXCLUSIVE MODE;
        IF to_regclass(name) IS NOT NULL THEN
            RETURN false;
        END IF;
"""


def upgrade() -> None:
    _put(FUNCTION.replace("-- events first", EVENTS_FIRST.strip()))


def downgrade() -> None:
    _put(FUNCTION)


def _put(function: str) -> None:
    if op.get_bind().dialect.name == "postgresql":  # elsewhere all lines are in one table
        op.execute(function)
