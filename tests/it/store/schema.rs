//! The schema, its age, and who may open it.

use std::collections::{BTreeMap, BTreeSet};

use scomo::infra::store::{Error, Settings, Write};

use super::rows::{device, put};
use crate::support::database::{Database, on_each_database, skipped};

on_each_database! {
    async fn a_binary_older_than_the_schema_allows_does_not_start(db: Database) {
        db.open().await.close().await;
        db.raw("UPDATE schema_info SET oldest_binary = '99.0.0'").await;
        match db.try_open().await {
            Err(Error::TooOldBinary { oldest, .. }) => assert_eq!(oldest, "99.0.0"),
            other => panic!("{:?}", other.err()),
        }
    }

    async fn a_later_schema_that_still_serves_this_binary_is_opened(db: Database) {
        db.open().await.close().await;
        db.raw(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             SELECT 9999, 'later', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        )
        .await;
        db.open().await.ping().await.unwrap();
    }

    async fn a_row_that_cannot_be_read_names_itself(db: Database) {
        let store = db.open().await;
        let row = device("d");
        put(&store, [Write::DeviceInsert(row.clone())]).await;
        db.raw("UPDATE device SET tags = 'blue'").await;
        match store.device_by_key(row.key).await {
            Err(Error::BadRow { table: "device", column: "tags", row: named, .. }) => {
                assert_eq!(named, row.key.to_string());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_second_server_is_kept_away_from_a_sqlite_file() {
    let db = Database::sqlite();
    let first = db.open().await;
    let refused = db.try_open().await.err().unwrap();
    assert!(matches!(refused, Error::Held { .. }), "{refused:?}");
    assert!(refused.to_string().contains("held by another scomo server"));
    first.close().await;
    drop(first);
    db.open().await.ping().await.unwrap();
}

#[tokio::test]
async fn a_url_that_names_no_database_is_refused() {
    for url in ["sqlite::memory:", "mysql://db/scomo", "scomo.db", ""] {
        let mut db = Database::sqlite();
        db.settings = Settings { url: url.to_owned(), ..Settings::default() };
        assert!(matches!(db.try_open().await, Err(Error::Url(_))), "{url}");
    }
}

#[tokio::test]
async fn both_schemas_have_the_same_columns_and_indexes() {
    let Some(pg) = Database::postgres().await else {
        return skipped("both_schemas_have_the_same_columns_and_indexes");
    };
    let lite = Database::sqlite();
    pg.open().await.close().await;
    lite.open().await.close().await;
    let pg_columns = columns(
        &pg,
        "SELECT table_name::text, column_name::text, data_type::text, (is_nullable = 'NO')::integer::bigint
         FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
    );
    let lite_columns = columns(
        &lite,
        "SELECT m.name, p.name, p.type, p.\"notnull\" OR p.pk > 0
         FROM sqlite_schema m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY m.name, p.cid",
    );
    let (pg_columns, lite_columns) = (pg_columns.await, lite_columns.await);
    assert!(pg_columns.len() >= 11, "{:?}", pg_columns.keys());
    assert_eq!(pg_columns, lite_columns);
    let pg_indexes = names(&pg, "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public'").await;
    assert_eq!(pg_indexes, names(&lite, "SELECT name FROM sqlite_schema WHERE type = 'index'").await);
}

/// Per table its columns in order, each with its logical type and whether it must be there.
async fn columns(db: &Database, statement: &str) -> BTreeMap<String, Vec<(String, &'static str, bool)>> {
    let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (table, column, kind, must) in db.rows::<(String, String, String, i64)>(statement).await {
        if table.starts_with("sqlite_") || table == "_sqlx_migrations" {
            continue;
        }
        let kind = match kind.to_ascii_lowercase().as_str() {
            "uuid" | "bytea" | "blob" => "bytes",
            "bigint" | "boolean" | "integer" => "number",
            "text" => "text",
            other => panic!("{table}.{column} is {other}"),
        };
        tables.entry(table).or_default().push((column, kind, must != 0));
    }
    tables
}

/// The indexes that were named.
async fn names(db: &Database, statement: &str) -> BTreeSet<String> {
    let found = db.rows::<(String,)>(statement).await.into_iter().map(|(name,)| name);
    found.filter(|name| !name.starts_with("sqlite_autoindex") && !name.ends_with("_pkey")).collect()
}
