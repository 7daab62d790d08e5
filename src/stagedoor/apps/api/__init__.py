"""The REST API: MLflow's and Databricks' model registry calls, onto the same workflows as the command line."""
