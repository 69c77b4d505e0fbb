"""Inflight: in-flight weight updates for running LLM inference engines.

The core (link, session, slots, trainer client) needs only the standard library. Adapters import what they adapt, when
they are used.
"""

__version__ = "0.1.0"
