"""What simulated nodes pay and are paid: their books, and how a payment is led, whoever asks for it."""
