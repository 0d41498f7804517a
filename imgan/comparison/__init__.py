"""MSE against adversarial: the twins of a pipeline trained alike, scored, and shown on one page."""
