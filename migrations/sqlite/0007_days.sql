-- PostgreSQL keeps events in partitions; SQLite has none, and old events are deleted in batches.
SELECT 1;
