-- What becomes of a letter that has its number: it is voided before it goes round, or superseded, recalled or corrected after.
-- Its content stays as it was frozen.
--
-- No release has been made: wherever this runs the tables are small, and no other version is at work.
-- squawk-ignore-file require-concurrent-index-creation
ALTER TABLE letters
ADD COLUMN voided_at timestamptz,
ADD COLUMN void_reason text CHECK (void_reason <> ''),
ADD COLUMN voided_by text,
-- The letter whose place this one takes, and the one that it answers or follows up.
ADD COLUMN supersedes uuid,
ADD COLUMN follows uuid,
-- A number is cancelled before the letter goes round, never after: a voided letter cannot become `dispatched`.
ADD CONSTRAINT letters_voided_before_going_round CHECK (voided_at IS NULL OR state = 'registered') NOT VALID,
ADD CONSTRAINT letters_voided_for_a_reason CHECK (
    (voided_at IS NULL) = (void_reason IS NULL) AND (voided_at IS NULL) = (voided_by IS NULL)
) NOT VALID,
ADD CONSTRAINT letters_not_after_itself CHECK (supersedes <> letter_id AND follows <> letter_id) NOT VALID,
ADD CONSTRAINT letters_supersedes FOREIGN KEY (supersedes) REFERENCES letters (letter_id) NOT VALID,
ADD CONSTRAINT letters_follows FOREIGN KEY (follows) REFERENCES letters (letter_id) NOT VALID;

-- A letter has one successor; one that was voided has left the place free.
CREATE UNIQUE INDEX letters_superseded_once ON letters (supersedes) WHERE supersedes IS NOT NULL AND voided_at IS NULL;
CREATE INDEX letters_superseding ON letters (supersedes) WHERE supersedes IS NOT NULL;
CREATE INDEX letters_following ON letters (follows) WHERE follows IS NOT NULL;

-- Orders to take a circular back, from all its recipients (`whole`) or from some.
CREATE TABLE recalls (
    recall_id uuid PRIMARY KEY,
    circular_id uuid NOT NULL REFERENCES circulars (circular_id),
    whole boolean NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    recalled_by text NOT NULL,
    recalled_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX recalls_whole_once ON recalls (circular_id) WHERE whole;
CREATE INDEX recalls_of_circular ON recalls (circular_id, recalled_at);

-- Each recipient is recalled once.
CREATE TABLE recalled_recipients (
    recipient_id uuid PRIMARY KEY REFERENCES recipients (recipient_id),
    recall_id uuid NOT NULL REFERENCES recalls (recall_id)
);
CREATE INDEX recalled_recipients_of_recall ON recalled_recipients (recall_id);

-- Recipients whose registry has answered, as the acknowledgments' events tell: what they have, no recall takes back.
CREATE TABLE receipts (
    recipient_id uuid PRIMARY KEY,
    recorded_at timestamptz NOT NULL
);

-- Notes that correct a circular; rows are added and never changed.
CREATE TABLE errata (
    letter_id uuid NOT NULL REFERENCES letters (letter_id),
    number bigint NOT NULL CHECK (number >= 1),
    text text NOT NULL CHECK (text <> ''),
    fields text [] NOT NULL,
    issued_by text NOT NULL,
    issued_at timestamptz NOT NULL,
    PRIMARY KEY (letter_id, number)
);
