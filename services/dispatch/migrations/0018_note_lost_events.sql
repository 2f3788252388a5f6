-- What a subscriber wanted and was not told before it was forgotten: how much, and until when it had been recorded.
ALTER TABLE subscriptions
ADD COLUMN lost_events bigint NOT NULL DEFAULT 0 CONSTRAINT subscriptions_lost_counted CHECK (lost_events >= 0),
ADD COLUMN lost_until timestamptz;
