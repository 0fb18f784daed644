"""How a benchmark is shown: terminal table, JSON, CSV, Markdown, one self-contained HTML page."""
