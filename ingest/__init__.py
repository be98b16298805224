"""A message becomes a stored reading.

Here belong the door (MQTT), the wire formats, quarantine, the ledger, the outbox and the telemetry stores. Here may
not be: what a value means; that is judged in `alerts` and known in `models`.
"""
