"""Claims about the program, each shown on the real thing.

Here belong tests in folders that mirror the packages, and the kit that runs real servers for them (`tests.servers`).
Here may not be: stand-ins for a server that can be installed, waiting for a guessed time, a test that cannot fail.
"""
