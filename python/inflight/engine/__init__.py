"""A small engine process on torch, with the HTTP contract of docs/ENGINE_LINK.md: ``python -m inflight.engine``."""
