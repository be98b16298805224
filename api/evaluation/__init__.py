"""The detection report: which data are judged, what is told of them, and how it is shown."""
