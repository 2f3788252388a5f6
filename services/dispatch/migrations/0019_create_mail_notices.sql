-- Mails about a letter beside the one that hands it over: reminders, and what was answered in an agency's name. One row is the only
-- claim on its mail: it is written in the transaction that learns of the event, and `notice_id` is made of what it tells.
CREATE TABLE mail_notices (
    notice_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('reminded', 'answered')),
    circular_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    -- Who is told: the recipient, or the agency above it.
    agency_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    data jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'dropped', 'failed')),
    -- While it is leased, when the lease is over.
    next_attempt_at timestamptz DEFAULT now(),
    lease_token uuid,
    attempts bigint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- Why it was dropped, or how the last attempt failed.
    reason text,
    answer text CHECK (octet_length(answer) <= 1024),
    ended_at timestamptz,
    -- What came back for it last; it changes nothing else.
    bounce_kind text CHECK (bounce_kind IN ('failed', 'delayed', 'auto_reply', 'other')),
    bounce_status text CHECK (char_length(bounce_status) <= 11),
    bounced_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT mail_notices_next_action_while_waiting CHECK (
        (state = 'waiting') = (next_attempt_at IS NOT NULL) AND (state = 'waiting') = (ended_at IS NULL)
    ),
    CONSTRAINT mail_notices_leased_while_waiting CHECK (state = 'waiting' OR lease_token IS NULL)
);
CREATE INDEX mail_notices_due ON mail_notices (next_attempt_at) WHERE state = 'waiting';
CREATE INDEX mail_notices_created ON mail_notices (created_at);

-- Which of these mails an agency wants. Without a row: all.
CREATE TABLE mail_wishes (
    agency_id uuid PRIMARY KEY,
    reminders boolean NOT NULL,
    answers boolean NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
