"""How well a detector does: measures against known truth, and the baselines that every result must be seen beside."""
