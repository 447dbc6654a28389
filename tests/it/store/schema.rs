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

/// Opens a database from many sides at once.
async fn rush(db: &Database, times: usize) {
    let opened = futures_util::future::join_all((0..times).map(|_| db.try_open())).await;
    for store in opened {
        store.unwrap().close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_that_start_at_once_bring_the_schema_up_to_date_once() {
    let Some(db) = Database::postgres().await else {
        return skipped("several_that_start_at_once_bring_the_schema_up_to_date_once");
    };
    rush(&db, 6).await;
    let run = db.rows::<(i64, i64)>("SELECT count(*), count(DISTINCT version) FROM _sqlx_migrations").await;
    assert!(run[0].0 >= 3 && run[0].0 == run[0].1, "{run:?}");
    assert_eq!(
        db.rows::<(i64,)>(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        .await,
        [(0,)]
    );
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_asked_for_where_the_service_may_not_make_it() {
    let Some(mut db) = Database::postgres().await else {
        return skipped("a_schema_that_is_not_there_is_asked_for_where_the_service_may_not_make_it");
    };
    db.settings.migrate = false;
    let refused = db.try_open().await.err().unwrap();
    assert!(matches!(refused, Error::SchemaBehind), "{refused:?}");
    assert!(refused.to_string().contains("run `scomo migrate`"));
    db.settings.migrate = true;
    db.open().await.close().await;
    db.settings.migrate = false;
    db.open().await.ping().await.unwrap();
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
         FROM information_schema.columns WHERE table_schema = 'public'
             AND NOT (SELECT relispartition FROM pg_class WHERE oid = table_name::regclass) ORDER BY table_name, ordinal_position",
    );
    let lite_columns = columns(
        &lite,
        "SELECT m.name, p.name, p.type, p.\"notnull\" OR p.pk > 0
         FROM sqlite_schema m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY m.name, p.cid",
    );
    let (pg_columns, lite_columns) = (pg_columns.await, lite_columns.await);
    assert!(pg_columns.len() >= 11, "{:?}", pg_columns.keys());
    assert_eq!(pg_columns, lite_columns);
    let pg_indexes = names(
        &pg,
        "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public'
        AND NOT (SELECT relispartition FROM pg_class WHERE oid = tablename::regclass)",
    )
    .await;
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
