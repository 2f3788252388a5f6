-- A list may hold other lists of the same agency and groups that are looked up in the tree of agencies.
CREATE TABLE list_members (
    list_id uuid NOT NULL REFERENCES lists (list_id),
    ordinal bigint NOT NULL CHECK (ordinal >= 1),
    -- Stands behind this many of the list's own addressees.
    after_position bigint NOT NULL CHECK (after_position >= 0),
    nested_list_id uuid REFERENCES lists (list_id),
    group_below uuid REFERENCES agencies (agency_id),
    group_kind text CHECK (group_kind <> ''),
    group_title text CHECK (group_title <> ''),
    role text NOT NULL CHECK (role IN ('action', 'information', 'copy')),
    relay_duty boolean NOT NULL,
    PRIMARY KEY (list_id, ordinal),
    CONSTRAINT list_members_one_kind CHECK ((nested_list_id IS NULL) <> (group_title IS NULL)),
    CONSTRAINT list_members_not_itself CHECK (nested_list_id <> list_id)
);

CREATE INDEX list_members_nested ON list_members (nested_list_id) WHERE nested_list_id IS NOT NULL;

-- Agencies that a list leaves out, whichever of its members names them.
CREATE TABLE list_exceptions (
    list_id uuid NOT NULL REFERENCES lists (list_id),
    agency_id uuid NOT NULL REFERENCES agencies (agency_id),
    PRIMARY KEY (list_id, agency_id)
);

-- A list of groups and other lists has no addressees of its own.
-- squawk-ignore ban-drop-constraint
ALTER TABLE lists DROP CONSTRAINT lists_addressee_count_check;
ALTER TABLE lists ADD CONSTRAINT lists_addressee_count CHECK (addressee_count >= 0) NOT VALID;

-- `relay_target` is JSON as text: rows are copied in binary.
ALTER TABLE list_addressees ADD COLUMN role text NOT NULL DEFAULT 'action';
ALTER TABLE list_addressees ADD COLUMN relay_target text;
ALTER TABLE list_addressees ADD CONSTRAINT list_addressees_role CHECK (role IN ('action', 'information', 'copy')) NOT VALID;
ALTER TABLE recipients ADD COLUMN role text NOT NULL DEFAULT 'action';
ALTER TABLE recipients ADD COLUMN relay_target text;
ALTER TABLE recipients ADD CONSTRAINT recipients_role CHECK (role IN ('action', 'information', 'copy')) NOT VALID;

-- SHA-256 (lower-case hex) of the recipients; of circulars before there was one, none.
ALTER TABLE circulars ADD COLUMN list_hash text;

-- "What did this list resolve to when it last went round?" There is a row for each dispatch, not for each recipient: the index
-- is made quickly, and the runner's transaction rules a concurrent one out.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX circulars_of_list ON circulars (list_id, dispatched_at);
