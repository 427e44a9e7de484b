"""The subcommands, a module a topic. Each has `register(app)`, and imports what is heavy inside its commands."""
