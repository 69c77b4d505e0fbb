"""Adapters: how weights get into a kind of engine."""
