"""The registry: schema, audit, integrity, import, export, synthetic series. Never imports physics or imaging."""
