"""The command line: ``orchestrator``. Speaks to the service over HTTP; docs/cli.md has the whole of it."""
