"""The account manager: accounts and their profiles."""
