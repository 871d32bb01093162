"""What a picture, a colour and a time are."""
