"""Who and what exists: sites, units, people and roles, the database that holds them, the activity log.

Here belong identity, permission facts and the append-only record of what happened. Here may not be: what a
reading means or what is done about it.
"""
