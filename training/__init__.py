"""Training, scoring and class embeddings: everything that happens before a model file reaches the robot."""
