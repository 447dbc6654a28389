//! Requests by their names.

use scomo::{
    infra::store::{Unit, Write, request::RequestRow},
    model::id::{RequestId, RequestSource, Tenant},
};

use super::rows::{put, request};
use crate::support::database::{Database, on_each_database};

on_each_database! {
    async fn requests_are_found_by_many_names_at_once(db: Database) {
        let store = db.open().await;
        let named = |source: &str, id: &str| {
            let row = request(id);
            RequestRow { source: RequestSource::parse(source).unwrap(), request_id: RequestId::parse(id).unwrap(), ..row }
        };
        let rows = [named("oss", "a"), named("oss", "b"), named("crm \"1\"", "a"), named("oss", "\u{e9}/[0]")];
        put(&store, rows.iter().cloned().map(Write::RequestInsert)).await;
        let (tenant, other) = (Tenant::default(), Tenant::parse("other").unwrap());
        let nobody = RequestId::parse("nobody").unwrap();
        let mut asked: Vec<_> = rows.iter().map(|row| (&tenant, &row.source, &row.request_id)).collect();
        asked.extend([(&tenant, &rows[0].source, &nobody), (&other, &rows[0].source, &rows[0].request_id)]);
        asked.push(asked[0]);
        let mut found = store.requests_by_id(&asked).await.unwrap();
        found.sort_by_key(|row| row.key.uuid());
        found.dedup();
        let mut wanted = rows.to_vec();
        wanted.sort_by_key(|row| row.key.uuid());
        assert_eq!(found, wanted);
        assert_eq!(store.requests_by_id(&[]).await.unwrap(), []);
    }

    async fn requests_that_come_together_are_stored_together_and_the_first_of_a_name_wins(db: Database) {
        let store = db.open().await;
        let rows = [request("a"), request("b"), request("a")];
        let units = rows.iter().map(|row| Unit::new("test", "x").with(Write::RequestInsert(row.clone())));
        let results = store.commit_many(units.collect()).await;
        assert!(results[0].is_ok() && results[1].is_ok() && results[2].is_err(), "{results:?}");
        for row in &rows[..2] {
            assert_eq!(store.request(row.key).await.unwrap().as_ref(), Some(row));
        }
        assert_eq!(store.request(rows[2].key).await.unwrap(), None);
    }
}
