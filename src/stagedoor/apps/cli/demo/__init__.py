"""The demo: real weather, real models, real mail, and the story told with the public commands."""
