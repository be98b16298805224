"""Real servers for tests: each on a free port of 127.0.0.1, in a directory of its own, gone when the test is over."""
