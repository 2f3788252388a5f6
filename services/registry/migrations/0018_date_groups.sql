-- The day on which a group's agencies stand; null: that of the dispatch.
ALTER TABLE list_members ADD COLUMN group_at date;
