"""What people and programs see: HTTP, web pages, the command line, and the composition roots of the processes.

Here belong routes, pages, translations, settings and the wiring. Here may not be: a rule of the domain; a route
calls it by name in the folder that owns it.
"""
