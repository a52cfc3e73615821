"""Whom the gateway is measured beside: each started by a module of its own, on loopback, and ended by its pid."""
