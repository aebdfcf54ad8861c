"""Processes that act on weights."""
