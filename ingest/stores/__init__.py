"""Telemetry stores: where values stay, each kept once by unit, metric and time.

Here belong the contract and one module per engine. Nothing is imported here: a process pays for the client library of
the one engine that it uses.
"""
