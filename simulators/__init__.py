"""Equipment that does not exist, for development, demonstrations and tests; it speaks only MQTT.

Here belong physics, faults with their truth, scenarios and the publisher. Here may not be: any knowledge of the
service that listens, beyond the equipment vocabulary and the wire format.
"""
