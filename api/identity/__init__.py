"""Who may ask: users and their passwords, API tokens, console sessions, and what is written down about them."""
