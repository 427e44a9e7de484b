"""The past of the lake: how tables differ between snapshots, rollbacks, and the holds that a rollback places."""
