"""What is known of a whole video bears on its intervals and segments."""
