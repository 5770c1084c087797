"""What a failed handler shows in debug mode. Nothing of it is imported before the first handler fails."""
