"""Pure knowledge: equipment kinds, readings, features, detectors, reliability statistics.

Here belongs what could be printed in a textbook. Here may not be: I/O, a clock, global randomness, settings, or an
import of any other folder.
"""
