"""What training is measured against, and what it is measured on."""
