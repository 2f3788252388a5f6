"""What tests share: waiting on a condition, and tokens signed for tests."""
