"""A template for plugins of pyalgo."""
