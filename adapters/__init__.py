"""The only SQL, files, environment and network: event log, fact store, migrations, the project's own record."""
