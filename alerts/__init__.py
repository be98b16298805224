"""A judgement becomes an alarm, an alarm a ticket, a ticket is carried to its end.

Here belong the conditions that are watched, the states of alarms, the stages of tickets and what each party
may do to them. Here may not be: MQTT, HTTP, telemetry stores, page texts, votes.
"""
