-- The closed agency that the sender's list names, when the letter went to who follows it.
ALTER TABLE recipients ADD COLUMN in_place_of uuid;
