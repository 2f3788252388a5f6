"""What is wrong or suspicious about a letter before it goes round: pure checks over gathered facts."""
