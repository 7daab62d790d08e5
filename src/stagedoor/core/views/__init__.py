"""What is shown of a value, decided once: as text, as Markdown, as JSON."""
