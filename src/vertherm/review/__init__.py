"""The review of a series: statistics, tables, figures, texts. Never imports physics or imaging."""
