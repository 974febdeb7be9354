"""What a report shows beside the verdicts: curves, pictures and maps, gathered as data in the result."""
