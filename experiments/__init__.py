"""One module per question a user asks, and the `cbram` command."""
