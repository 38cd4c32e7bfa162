"""What a matrix says as a whole: which axis matters, by how much, and what cannot be told apart."""
