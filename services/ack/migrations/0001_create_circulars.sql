-- The copy of the agencies that views need: names, and nothing to decide by. The higher version wins.
CREATE TABLE agencies (
    agency_id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 0),
    code text NOT NULL,
    name_th text NOT NULL,
    name_en text NOT NULL
);

-- Circulars as their chunks tell of them; `letter` is the LetterSummary of the contract.
CREATE TABLE circulars (
    circular_id uuid PRIMARY KEY,
    sender_agency_id uuid NOT NULL,
    sender_name_th text NOT NULL,
    sender_name_en text NOT NULL,
    letter jsonb NOT NULL,
    dispatched_at timestamptz NOT NULL,
    deadline timestamptz,
    recipient_count bigint NOT NULL CHECK (recipient_count > 0),
    relay_of_recipient_id uuid
);
