-- squawk-ignore-file ban-drop-not-null
-- A recipient may take its answer back, and the news of that may come before the answer's: of both the newest is kept, and the
-- answer stands while it is the newer one. No other service reads this table.
ALTER TABLE acknowledgments ADD COLUMN withdrawn_at timestamptz;
ALTER TABLE acknowledgments ALTER COLUMN acknowledged_at DROP NOT NULL;
ALTER TABLE acknowledgments ADD CONSTRAINT acknowledgments_of_something CHECK (
    acknowledged_at IS NOT NULL OR withdrawn_at IS NOT NULL
) NOT VALID;
