"""MLflow's door: a registry store that MLflow finds by `stagedoor:` and `stagedoor+http:` URIs."""
