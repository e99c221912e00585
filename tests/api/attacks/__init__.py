"""What an attacker would try, each as a test that fails when it works; docs/security.md has the list."""
