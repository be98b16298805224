"""Statistics become evidence, proposals, votes and notices.

Here belong the meeting, the four-step decision, the rule sets of votes and what is published. Here may not be:
telemetry or MQTT; what governance knows of machines comes as statistics of `models` and cases of `alerts`.
"""
