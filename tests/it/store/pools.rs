//! PostgreSQL out of patience: time-outs, and what is said when the database is not as it should be.

use std::time::Duration;

use scomo::infra::store::{CommitError, Error, Page, Store, Write, job::JobFilter};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::rows::{device, put, unit};
use crate::support::database::{Database, skipped};

/// A connection of somebody else, who holds a lock until it is dropped.
async fn holder(db: &Database, lock: &'static str) -> PgConnection {
    let mut holder = PgConnection::connect(&db.settings.url).await.unwrap();
    holder.execute("BEGIN").await.unwrap();
    holder.execute(lock).await.unwrap();
    holder
}

/// A database with one of the time-outs so short, and the other off.
async fn hasty(test: &str, lock: Duration, statement: Duration) -> Option<(Database, Store)> {
    let Some(mut db) = Database::postgres().await else {
        skipped(test);
        return None;
    };
    (db.settings.lock_timeout, db.settings.statement_timeout) = (lock, statement);
    let store = db.open().await;
    put(&store, [Write::DeviceInsert(device("a")), Write::DeviceInsert(device("b"))]).await;
    Some((db, store))
}

#[tokio::test]
async fn a_row_that_stays_locked_fails_its_unit_alone_and_the_next_try_succeeds() {
    let name = "a_row_that_stays_locked_fails_its_unit_alone_and_the_next_try_succeeds";
    let Some((db, store)) = hasty(name, Duration::from_millis(200), Duration::ZERO).await else { return };
    let tenant = device("a").tenant;
    let row = |name| {
        let store = store.clone();
        let tenant = tenant.clone();
        async move { store.device(&tenant, name).await.unwrap().unwrap() }
    };
    let (a, b) = (row("a").await, row("b").await);
    let mut other = holder(&db, "SELECT 1 FROM device WHERE device_norm = 'a' FOR UPDATE").await;
    let units = vec![unit([Write::DevicePut(a.clone())]), unit([Write::DevicePut(b)])];
    let results = store.commit_many(units).await;
    match &results[0] {
        Err(CommitError::Failed { source, .. }) => {
            let said = source.to_string();
            assert!(said.contains("device.put") && said.contains("longer than database.lock_timeout"), "{said}");
        }
        other => panic!("{other:?}"),
    }
    assert!(results[1].is_ok(), "{:?}", results[1]);
    other.execute("ROLLBACK").await.unwrap();
    store.commit(unit([Write::DevicePut(a)])).await.unwrap();
    assert_eq!((row("a").await.version, row("b").await.version), (1, 1));
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_and_says_so() {
    let name = "a_statement_that_takes_too_long_is_ended_and_says_so";
    let Some((db, store)) = hasty(name, Duration::ZERO, Duration::from_millis(200)).await else { return };
    let mut other = holder(&db, "LOCK TABLE device IN ACCESS EXCLUSIVE MODE").await;
    let tenant = device("a").tenant;
    let refused = store.device(&tenant, "a").await.unwrap_err().to_string();
    assert!(refused.contains("device.by_name") && refused.contains("statement_timeout"), "{refused}");
    other.execute("ROLLBACK").await.unwrap();
    assert!(store.device(&tenant, "a").await.unwrap().is_some());
}

#[tokio::test]
async fn each_door_has_connections_of_its_own() {
    let Some(mut db) = Database::postgres().await else { return skipped("each_door_has_connections_of_its_own") };
    (db.settings.admin.connections, db.settings.lock_timeout) = (2, Duration::ZERO);
    db.settings.acquire_timeout = Duration::from_millis(300);
    let store = db.open().await;
    let (admin, flow, tenant) = (store.for_admin(), store.for_flow(), device("a").tenant);
    let mut other = holder(&db, "LOCK TABLE job IN ACCESS EXCLUSIVE MODE").await;
    let stuck: Vec<_> = (0..2)
        .map(|_| {
            let (admin, tenant) = (admin.clone(), tenant.clone());
            tokio::spawn(async move { admin.jobs(&tenant, JobFilter::default(), Page::first(1)).await })
        })
        .collect();
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database =
        (SELECT oid FROM pg_database WHERE datname = current_database())";
    crate::support::watch::until("both to wait", async || {
        let mut look = PgConnection::connect(&db.settings.url).await.ok()?;
        let count: i64 = sqlx::query_scalar(waiting).fetch_one(&mut look).await.ok()?;
        (count == 2).then_some(())
    })
    .await;
    let refused = admin.device(&tenant, "a").await.unwrap_err().to_string();
    assert!(refused.contains("database.acquire_timeout"), "{refused}");
    put(&store, [Write::DeviceInsert(device("a"))]).await;
    assert!(store.device(&tenant, "a").await.unwrap().is_some());
    assert!(flow.device(&tenant, "a").await.unwrap().is_some());
    other.execute("ROLLBACK").await.unwrap();
    for jobs in stuck {
        assert_eq!(jobs.await.unwrap().unwrap().len(), 0);
    }
    assert!(admin.device(&tenant, "a").await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_wrong_with_the_database_is_said_with_where_and_what_to_do() {
    let Some(mut db) = Database::postgres().await else {
        return skipped("what_is_wrong_with_the_database_is_said_with_where_and_what_to_do");
    };
    db.settings.acquire_timeout = Duration::from_millis(300);
    let right = db.settings.url.clone();
    let url = |change: fn(&mut url::Url)| {
        let mut url = url::Url::parse(&right).unwrap();
        change(&mut url);
        url.to_string()
    };
    for (wrong, said) in [
        (url(|url| url.set_path("nowhere")), &["database nowhere", "does not exist: create it"][..]),
        (
            url(|url| url.set_username("nobody").unwrap()),
            &["user nobody", "user or password of database.url are wrong"],
        ),
        (url(|url| url.set_query(Some("host=/nowhere"))), &["/nowhere", "the server is not there"]),
        ("postgres://scomo:hunter2@127.0.0.1:1/fleet".to_owned(), &["127.0.0.1:1", "the server is not there"]),
    ] {
        db.settings.url = wrong;
        let refused = db.try_open().await.err().unwrap();
        assert!(matches!(refused, Error::Connect { .. }), "{refused:?}");
        let refused = refused.to_string();
        for words in said {
            assert!(refused.contains(words), "{words}: {refused}");
        }
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}

#[tokio::test]
async fn a_read_only_database_is_called_so_and_serves_readers() {
    let Some(db) = Database::postgres().await else {
        return skipped("a_read_only_database_is_called_so_and_serves_readers");
    };
    let read_only = |on: &str| format!("ALTER DATABASE {} SET default_transaction_read_only = {on}", db.name());
    db.raw(&read_only("on")).await;
    let refused = db.try_open().await.err().unwrap().to_string();
    assert!(refused.contains("it is read-only"), "the schema cannot be made: {refused}");
    let mut operator = PgConnection::connect(&db.settings.url).await.unwrap();
    operator.execute("SET default_transaction_read_only = off").await.unwrap();
    operator.execute(AssertSqlSafe(read_only("off"))).await.unwrap();
    db.open().await.close().await;
    db.raw(&read_only("on")).await;
    let store = db.open().await;
    let refused = store.commit(unit([Write::DeviceInsert(device("a"))])).await.unwrap_err();
    let CommitError::Failed { source, .. } = &refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("it is read-only"), "{source}");
    assert!(store.device(&device("a").tenant, "a").await.unwrap().is_none());
}
