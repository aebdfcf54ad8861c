"""Prices and simulated worlds."""
