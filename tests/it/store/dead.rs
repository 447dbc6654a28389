//! Dead letters.

use std::collections::BTreeMap;

use scomo::{
    infra::store::{Conflict, Page, Write, dead::DeadLetterRow},
    model::{
        digest::Digest,
        id::{DeadLetterId, RequestSource, Tenant},
    },
};
use serde_json::json;

use super::rows::{at, event, json, put, unit, uuid};
use crate::support::database::{Database, on_each_database};

pub(super) fn letter(name: &str, seconds: i64) -> DeadLetterRow {
    DeadLetterRow {
        id: DeadLetterId::new(uuid()),
        tenant: Tenant::default(),
        at: at(seconds),
        kind: "request".to_owned(),
        problem: json(&json!({ "code": "invalid_json" })),
        body: vec![0, 255, b'{'],
        size: 5_000_000_000,
        content_type: Some("application/json".to_owned()),
        headers: BTreeMap::from([("x".to_owned(), "y".to_owned())]),
        message_id: Some(name.to_owned()),
        source: RequestSource::parse("amqp").unwrap(),
        digest: Digest::of(name.as_bytes()),
        copied: false,
    }
}

on_each_database! {
    async fn a_dead_letter_reads_back_as_it_was_written(db: Database) {
        let store = db.open().await;
        let (tenant, row) = (Tenant::default(), letter("m", 0));
        put(&store, [Write::DeadInsert(row.clone())]).await;
        assert_eq!(store.dead_letter(&tenant, row.id).await.unwrap().as_ref(), Some(&row));
        assert_eq!(store.dead_letter(&Tenant::parse("other").unwrap(), row.id).await.unwrap(), None);
        assert_eq!(store.uncopied_dead_letters(10).await.unwrap(), std::slice::from_ref(&row));
        store.dead_letters_copied(&[row.id]).await.unwrap();
        assert_eq!(store.uncopied_dead_letters(10).await.unwrap(), []);
        assert!(store.drop_dead_letter(&tenant, row.id).await.unwrap());
        assert!(!store.drop_dead_letter(&tenant, row.id).await.unwrap());
    }

    async fn the_same_message_is_kept_once_and_told_once(db: Database) {
        let store = db.open().await;
        put(&store, [Write::DeadInsert(letter("m", 0))]).await;
        let again = unit([Write::DeadInsert(letter("m", 1)), Write::EventInsert(event("m", 1))]);
        let refused = store.commit(again).await.unwrap_err();
        assert_eq!(refused.conflict(), Some(&Conflict::DeadAlready));
        assert_eq!(store.outbox_size().await.unwrap(), 0);
    }

    async fn dead_letters_are_listed_newest_first_and_pruned_oldest_first(db: Database) {
        let store = db.open().await;
        put(&store, (0..4).map(|n| Write::DeadInsert(letter(&format!("m{n}"), n)))).await;
        let listed = store.dead_letters(&Tenant::default(), Page::first(3)).await.unwrap();
        let names: Vec<_> = listed.iter().map(|row| row.message_id.as_deref().unwrap()).collect();
        assert_eq!(names, ["m3", "m2", "m1"]);
        assert_eq!(store.prune_dead_letters(at(2), 10).await.unwrap(), 2);
        assert_eq!(store.dead_letters(&Tenant::default(), Page::first(10)).await.unwrap().len(), 2);
    }

    async fn whether_it_can_be_written_is_found_without_writing(db: Database) {
        let store = db.open().await;
        store.can_write().await.unwrap();
        assert_eq!(db.rows::<(String,)>("SELECT oldest_binary FROM schema_info").await, [("0.1.0".to_owned(),)]);
    }
}
