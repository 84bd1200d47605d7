"""Predictions at all checkpoints, not at the chosen epoch only: what was chosen among can then be corrected for.

Those of earlier trials stay what they are, predictions at one checkpoint.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the number of checkpoints."""
    op.add_column("sweep_predictions", sa.Column("checkpoints", sa.Integer, nullable=False, server_default="1"))
