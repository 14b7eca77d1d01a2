"""Coverage-guided fuzzing of what comes in from outside: ``python -m fuzz --seconds 20`` (see fuzz.__main__)."""
