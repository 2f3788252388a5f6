-- How many of the recipients get the letter as สำเนาส่ง, named by the letter itself: they stand behind those that the list resolved to.
ALTER TABLE circulars ADD COLUMN copy_count bigint NOT NULL DEFAULT 0;
ALTER TABLE circulars ADD CONSTRAINT circulars_copy_count CHECK (copy_count >= 0 AND copy_count < recipient_count) NOT VALID;
