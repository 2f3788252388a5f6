-- Who had which letter sent again that had been handed over and not answered, by which way it had gone, and why.
CREATE TABLE redispatches (
    delivery_id uuid NOT NULL CONSTRAINT redispatches_delivery REFERENCES deliveries (delivery_id),
    handed_over_at timestamptz NOT NULL,
    hand_over_channel text NOT NULL,
    redispatched_at timestamptz NOT NULL DEFAULT now(),
    redispatched_by text NOT NULL,
    why text NOT NULL CHECK (char_length(why) <= 500),
    PRIMARY KEY (delivery_id, handed_over_at)
);
