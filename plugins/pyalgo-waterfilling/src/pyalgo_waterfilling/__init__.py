"""Exact water-filling, and power control games with certificates of convergence."""
