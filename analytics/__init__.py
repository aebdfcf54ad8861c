"""Processes that judge outcomes."""
