"""Where the sound comes from: boxes around sound sources, drawn by people on randomly sampled frames."""
