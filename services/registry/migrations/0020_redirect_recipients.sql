-- squawk-ignore-file require-concurrent-index-creation
-- A letter that came to the wrong agency is sent on to the right one: a recipient behind the others, tied to the one that refused.
ALTER TABLE recipients ADD COLUMN redirected_from uuid;
CREATE UNIQUE INDEX recipients_redirected_once ON recipients (redirected_from) WHERE redirected_from IS NOT NULL;
-- How many of the order's recipients came so, after the list and its copies.
ALTER TABLE circulars ADD COLUMN redirected_count bigint NOT NULL DEFAULT 0 CHECK (redirected_count >= 0);

-- Recipients that refused the letter, as the acknowledgments' events tell. No foreign key: the row is read from there.
CREATE TABLE rejections (
    recipient_id uuid PRIMARY KEY,
    reason text NOT NULL,
    suggested_agency_code text,
    recorded_at timestamptz NOT NULL
);
