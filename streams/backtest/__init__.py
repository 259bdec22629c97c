"""What campaigns would have done in history: who is addressed, when, and what is held back."""
