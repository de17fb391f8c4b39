//! Every form of a target on small histories; the big comparison with Alembic itself is in `tests/it/history.rs`.
