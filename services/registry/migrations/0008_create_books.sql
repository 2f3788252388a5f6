-- The two books that the Regulation asks for: the register of sent letters (ทะเบียนหนังสือส่ง) and of received ones (ทะเบียนหนังสือรับ).

-- What a book's row is found by: each two and three neighbouring characters of its text, and its facets, hashed with the agency
-- and the year. So one agency's search never reads another's rows, nor a year that the word does not occur in; and it works for Thai
-- under every locale, which trigrams of words do not. The price of a call keeps the planner from using it as a filter.
CREATE FUNCTION book_tokens(agency uuid, year_be bigint, content text, facets text[]) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 100000 AS $$
DECLARE
    characters text[] := string_to_array(content, NULL);
    seed bigint := hashtextextended(agency::text, year_be);
BEGIN
    RETURN ARRAY(
        SELECT hashtextextended(one || two, seed) FROM unnest(characters, characters[2:]) AS pair (one, two) WHERE two IS NOT NULL
        UNION ALL
        SELECT hashtextextended(one || two || three, seed)
        FROM unnest(characters, characters[2:], characters[3:]) AS triple (one, two, three) WHERE three IS NOT NULL
        UNION ALL
        SELECT hashtextextended(facet, seed) FROM unnest(facets) AS facet
    );
END $$;

-- One row for each number of an outgoing register, whatever became of it. What a letter says stands here as it was frozen;
-- only the state and the remark change.
CREATE TABLE sent_entries (
    entry_id uuid PRIMARY KEY,
    agency_id uuid NOT NULL REFERENCES agencies (agency_id),
    register_id uuid NOT NULL REFERENCES registers (register_id),
    year_be bigint NOT NULL,
    series text NOT NULL,
    running bigint NOT NULL CHECK (running >= 1),
    number text NOT NULL,
    letter_id uuid CONSTRAINT sent_entries_letter_once UNIQUE REFERENCES letters (letter_id),
    letter_date date NOT NULL,
    sender text NOT NULL,
    addressee text NOT NULL,
    addressee_count bigint CHECK (addressee_count >= 0),
    subject text NOT NULL,
    speed text NOT NULL,
    secrecy text NOT NULL,
    -- `cancelled`: the number was voided before it became a letter.
    state text NOT NULL CHECK (state IN ('registered', 'dispatched', 'cancelled', 'void', 'superseded', 'recalled')),
    state_reason text,
    circular_id uuid,
    dispatched_at timestamptz,
    remark text NOT NULL DEFAULT '',
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    search_text text NOT NULL,
    facets text[] NOT NULL GENERATED ALWAYS AS (
        ARRAY['series ' || series, 'state ' || state, 'speed ' || speed, CASE WHEN remark = '' THEN 'no remark' ELSE 'remark' END]
    ) STORED,
    CONSTRAINT sent_entries_letter_or_cancelled CHECK ((letter_id IS NULL) = (state = 'cancelled')),
    CONSTRAINT sent_entries_order UNIQUE (agency_id, year_be, register_id, series, running)
);

-- The numbers that were issued before there were books. The text is made comparable as the service does it.
INSERT INTO sent_entries (entry_id, agency_id, register_id, year_be, series, running, number, letter_id, letter_date, sender,
    addressee, addressee_count, subject, speed, secrecy, state, circular_id, dispatched_at, search_text)
SELECT entry.*, lower(btrim(regexp_replace(translate(regexp_replace(normalize(regexp_replace(
    concat_ws(' ', entry.number, entry.subject, entry.sender, entry.addressee),
    '[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]', '', 'g'), NFC),
    '\u0e4d([\u0e48-\u0e4b]?)\u0e32', '\1ำ', 'g'), '๐๑๒๓๔๕๖๗๘๙', '0123456789'), '[\s\u00a0]+', ' ', 'g')))
FROM (
    SELECT l.letter_id AS entry_id, l.agency_id, l.register_id, l.year_be, l.series, l.running, l.number, l.letter_id,
        (l.content ->> 'date')::date,
        coalesce(nullif(l.content ->> 'contact_unit', ''), split_part(l.content ->> 'owner', E'\n', 1)) AS sender,
        btrim(regexp_replace(l.content ->> 'salutation', '^\s*เรียน\s*', '')) AS addressee,
        c.recipient_count,
        CASE l.content ->> 'secrecy' WHEN 'confidential' THEN '(ลับ)' WHEN 'secret' THEN '(ลับมาก)' ELSE l.content ->> 'subject' END
            AS subject,
        l.content ->> 'speed', l.content ->> 'secrecy', l.state, c.circular_id, c.dispatched_at
    FROM letters l LEFT JOIN circulars c ON c.letter_id = l.letter_id
    WHERE l.state <> 'draft'
) AS entry;

CREATE INDEX sent_entries_found_by ON sent_entries USING gin (book_tokens(agency_id, year_be, search_text, facets))
WITH (gin_pending_list_limit = 256);

-- The number last issued by an agency's receive register: without a gap, as the numbers of outgoing letters.
CREATE TABLE receive_series (
    agency_id uuid NOT NULL REFERENCES agencies (agency_id),
    unit text NOT NULL,
    year_be bigint NOT NULL CHECK (year_be BETWEEN 2484 AND 2799),
    last_running bigint NOT NULL CHECK (last_running BETWEEN 0 AND 999999999),
    PRIMARY KEY (agency_id, unit, year_be)
);

CREATE TABLE received_letters (
    received_id uuid PRIMARY KEY,
    agency_id uuid NOT NULL REFERENCES agencies (agency_id),
    unit text NOT NULL,
    year_be bigint NOT NULL CHECK (year_be BETWEEN 2484 AND 2799),
    receive_number text NOT NULL CHECK (receive_number <> ''),
    -- The number in the form in which two are compared, and as a number: 0 when it is none.
    number_key text NOT NULL,
    running bigint NOT NULL CHECK (running BETWEEN 0 AND 999999999),
    number_issued boolean NOT NULL,
    receive_date date NOT NULL,
    receive_time time,
    letter_number text NOT NULL,
    letter_date date,
    sender text NOT NULL,
    sender_agency_id uuid REFERENCES agencies (agency_id),
    addressee text NOT NULL,
    subject text NOT NULL,
    speed text NOT NULL,
    secrecy text NOT NULL,
    action text NOT NULL DEFAULT '',
    remark text NOT NULL DEFAULT '',
    source text NOT NULL CHECK (source IN ('acknowledged', 'by_hand')),
    recipient_id uuid CONSTRAINT received_letters_recipient_once UNIQUE,
    circular_id uuid,
    letter_id uuid REFERENCES letters (letter_id),
    -- When the acknowledgment was recorded: the later one holds.
    recorded_at timestamptz,
    state text NOT NULL DEFAULT 'entered' CHECK (state IN ('entered', 'void')),
    void_reason text,
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at timestamptz NOT NULL DEFAULT now(),
    search_text text NOT NULL,
    facets text[] NOT NULL GENERATED ALWAYS AS (
        ARRAY['source ' || source, 'state ' || state, 'speed ' || speed, 'unit ' || unit,
            'sender ' || coalesce(sender_agency_id::text, ''), CASE WHEN remark = '' THEN 'no remark' ELSE 'remark' END]
    ) STORED,
    CONSTRAINT received_letters_acknowledged CHECK (
        num_nulls(recipient_id, circular_id, letter_id, recorded_at) = CASE source WHEN 'acknowledged' THEN 0 ELSE 4 END
    ),
    CONSTRAINT received_letters_void_reason CHECK ((state = 'void') = (void_reason IS NOT NULL))
);

CREATE INDEX received_letters_order ON received_letters (agency_id, year_be, receive_date, running, received_id);

-- What agencies acknowledge by their own systems is entered as it comes, even if a number comes twice.
CREATE UNIQUE INDEX received_letters_number_once ON received_letters (agency_id, year_be, unit, number_key)
WHERE source = 'by_hand';

CREATE INDEX received_letters_number ON received_letters (agency_id, year_be, unit, number_key);

CREATE INDEX received_letters_found_by ON received_letters USING gin (book_tokens(agency_id, year_be, search_text, facets))
WITH (gin_pending_list_limit = 256);

-- What an entry said before each change.
CREATE TABLE book_changes (
    entry_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    before jsonb NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (entry_id, version)
);
