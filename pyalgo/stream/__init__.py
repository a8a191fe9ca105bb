"""The runner: source -> algorithm -> sink, with durable state."""
