"""The read side: who the customers are at one instant, and how a customer came to be there."""
