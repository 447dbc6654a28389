-- PostgreSQL drops a reference here that costs nothing where there is one writer.
SELECT 1;
