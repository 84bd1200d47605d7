"""The first tables: data sets, sweeps, trials, folds, predictions, artifacts.

A migration repeats the columns rather than importing the models: it must still make the same tables when the models
have moved on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "sweep_datasets",
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("target", sa.LargeBinary, nullable=False),
        sa.Column("target_type", sa.String(3), nullable=False),
        sa.Column("groups", sa.LargeBinary, nullable=True),
        sa.Column("created_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("content_hash", name="pk_sweep_datasets"),
    )
    op.create_table(
        "sweep_sweeps",
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("format", sa.Integer, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("data_hash", sa.String(64), nullable=False),
        sa.Column("info", sa.JSON, nullable=False),
        sa.Column("trials", sa.Integer, nullable=False),
        sa.Column("metric", sa.String(64), nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("checkpoints", sa.JSON, nullable=False),
        sa.Column("folds", sa.Integer, nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        sa.Column("kept_rows", sa.LargeBinary, nullable=True),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("updated_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_sweep_sweeps"),
        sa.UniqueConstraint("name", name="uq_sweep_sweeps_name"),
        sa.ForeignKeyConstraint(["data_hash"], ["sweep_datasets.content_hash"], name="fk_sweep_sweeps_data_hash"),
    )
    op.create_index("ix_sweep_sweeps_data_hash", "sweep_sweeps", ["data_hash"])
    op.create_table(
        "sweep_trials",
        sa.Column("sweep_key", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("placement", sa.Text, nullable=False),
        sa.Column("hyperparameters", sa.JSON, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("diverged", sa.Integer, nullable=True),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("saved_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("sweep_key", "number", name="pk_sweep_trials"),
        sa.ForeignKeyConstraint(
            ["sweep_key"], ["sweep_sweeps.key"], name="fk_sweep_trials_sweep_key", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "sweep_folds",
        sa.Column("sweep_key", sa.String(32), nullable=False),
        sa.Column("trial", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("repeat", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("fold", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("score", sa.Double, nullable=True),
        sa.Column("metrics", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sweep_key", "trial", "repeat", "fold", name="pk_sweep_folds"),
        sa.ForeignKeyConstraint(
            ["sweep_key", "trial"],
            ["sweep_trials.sweep_key", "sweep_trials.number"],
            name="fk_sweep_folds_sweep_key_trial",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "sweep_predictions",
        sa.Column("sweep_key", sa.String(32), nullable=False),
        sa.Column("trial", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("repeat", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("outputs", sa.Integer, nullable=False),
        sa.Column("values", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sweep_key", "trial", "repeat", name="pk_sweep_predictions"),
        sa.ForeignKeyConstraint(
            ["sweep_key", "trial"],
            ["sweep_trials.sweep_key", "sweep_trials.number"],
            name="fk_sweep_predictions_sweep_key_trial",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "sweep_artifacts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("sweep_key", sa.String(32), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("media_type", sa.String(255), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("bytes", sa.LargeBinary, nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sweep_artifacts"),
        sa.UniqueConstraint("sweep_key", "name", name="uq_sweep_artifacts_sweep_key_name"),
        sa.ForeignKeyConstraint(
            ["sweep_key"], ["sweep_sweeps.key"], name="fk_sweep_artifacts_sweep_key", ondelete="CASCADE"
        ),
    )
