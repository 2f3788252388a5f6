"""The pages: what a clerk sees behind the link in an e-mail, and what a sender watches."""
