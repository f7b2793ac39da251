"""What the promises are measured with: contract, fuzzing, kill and race tests. `python -m reliability` runs them all."""
