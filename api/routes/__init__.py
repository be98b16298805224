"""The routes of the HTTP API: each translates a request into a call of the folder that owns the matter, and back."""
