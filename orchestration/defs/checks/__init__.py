"""Asset checks: of topics and tables, and of the champions."""
