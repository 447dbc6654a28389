//! Secrets rest encrypted and bound to their row.

use std::error::Error as _;

use scomo::infra::store::{Error, Keys, Write};

use super::rows::{device, put, session};
use crate::support::database::{Database, on_each_database};

on_each_database! {
    async fn no_secret_is_in_the_database(db: Database) {
        let store = db.open().await;
        let row = device("d");
        put(&store, [Write::DeviceInsert(row.clone()), Write::SessionInsert(session(&row, "1"))]).await;
        let found = db.rows::<(Vec<u8>,)>("SELECT secrets FROM device UNION ALL SELECT state FROM session").await;
        assert_eq!(found.len(), 2);
        let plain = [b"correct horse".as_slice(), b"precious nonce"];
        let shows = |bytes: &[u8]| plain.iter().any(|secret| bytes.windows(secret.len()).any(|part| part == *secret));
        assert!(!found.iter().any(|(sealed,)| shows(sealed)));
        if !db.settings.is_postgres() {
            store.close().await;
            assert!(!shows(&std::fs::read(db.file()).unwrap()));
        }
    }

    async fn a_secret_moved_to_another_row_does_not_open(db: Database) {
        let store = db.open().await;
        let (mine, theirs) = (device("mine"), device("theirs"));
        put(&store, [Write::DeviceInsert(mine.clone()), Write::DeviceInsert(theirs)]).await;
        db.raw("UPDATE device SET secrets = (SELECT secrets FROM device WHERE device_norm = 'theirs')").await;
        match store.device_by_key(mine.key).await {
            Err(error @ Error::Sealed { table: "device", column: "secrets", row, .. }) => {
                assert_eq!(row, mine.key.uuid());
                assert!(error.source().unwrap().to_string().contains("belongs to another row"));
            }
            other => panic!("{other:?}"),
        }
    }

    async fn keys_rotate_without_a_pause(db: Database) {
        let mut db = db;
        let row = device("d");
        let store = db.open().await;
        put(&store, [Write::DeviceInsert(row.clone())]).await;
        store.close().await;
        drop(store);
        let old = db.keys.remove(0);
        let new = scomo::model::secret::Secret::new(Keys::fresh().expose().replace("first:", "second:"));
        db.keys = vec![new.clone(), old];
        let store = db.open().await;
        let mut read = store.device_by_key(row.key).await.unwrap().unwrap();
        assert_eq!(read, row);
        put(&store, [Write::DevicePut(read.clone())]).await;
        store.close().await;
        drop(store);
        db.keys = vec![new];
        read.version = 1;
        let store = db.open().await;
        assert_eq!(store.device_by_key(row.key).await.unwrap(), Some(read));
    }

    async fn a_missing_key_is_named(db: Database) {
        let mut db = db;
        let row = device("d");
        let store = db.open().await;
        put(&store, [Write::DeviceInsert(row.clone())]).await;
        store.close().await;
        drop(store);
        db.keys = vec![scomo::model::secret::Secret::new(Keys::fresh().expose().replace("first:", "second:"))];
        let error = db.open().await.device_by_key(row.key).await.unwrap_err();
        assert!(error.source().unwrap().to_string().contains("the key `first`"), "{error:?}");
    }
}
