//! Target lists: seen when they are whole, and cleared away little by little.

use std::ops::Range;

use scomo::{
    infra::store::{Conflict, Page, Store, Write},
    model::id::{DeviceId, ListKey, ListName, Tenant},
};

use super::rows::{at, device, put, uuid};
use crate::support::database::{Database, on_each_database};

fn names(numbers: Range<i64>) -> Vec<DeviceId> {
    numbers.map(|n| DeviceId::parse(&format!("device {n}")).unwrap()).collect()
}

fn called(name: &str) -> ListName {
    ListName::parse(name).unwrap()
}

async fn open(store: &Store, name: &str) -> ListKey {
    let key = ListKey::new(uuid());
    store.open_list(&Tenant::default(), key, &called(name), at(0)).await.unwrap();
    key
}

/// A list of these devices that can be used.
pub(crate) async fn ready(store: &Store, name: &str, devices: Range<i64>) -> ListKey {
    let key = open(store, name).await;
    let count = store.add_to_list(key, 0, &names(devices), at(0)).await.unwrap().unwrap();
    store.show_list(key, count, 0, at(0)).await.unwrap().unwrap();
    key
}

on_each_database! {
    async fn a_list_is_seen_when_it_is_whole(db: Database) {
        let (store, tenant) = (db.open().await, Tenant::default());
        let key = open(&store, "fleet").await;
        assert_eq!(store.add_to_list(key, 0, &names(0..3), at(1)).await.unwrap(), Some(3));
        let mut again = names(2..5);
        again.extend(names(4..5));
        again.push(DeviceId::parse("urn:uuid:AB").unwrap());
        again.push(DeviceId::parse("URN:UUID:ab").unwrap());
        assert_eq!(store.add_to_list(key, 3, &again, at(1)).await.unwrap(), Some(3), "each device once");
        assert_eq!(store.find_list(&tenant, &called("fleet")).await.unwrap(), None);
        assert!(store.target_lists(&tenant, Page::first(10)).await.unwrap().is_empty());
        store.show_list(key, 6, 3, at(2)).await.unwrap().unwrap();
        let row = store.find_list(&tenant, &called("fleet")).await.unwrap().unwrap();
        assert_eq!((row.key, row.devices, row.duplicates, row.used_at), (key, 6, 3, at(2)));
        assert_eq!(store.find_list(&tenant, &called(&key.to_string())).await.unwrap().as_ref(), Some(&row));
        assert_eq!(store.target_lists(&tenant, Page::first(10)).await.unwrap(), [row]);
        assert_eq!(store.find_list(&Tenant::parse("other").unwrap(), &called("fleet")).await.unwrap(), None);
        assert_eq!(store.add_to_list(key, 9, &names(9..10), at(3)).await.unwrap(), None, "nothing comes behind");
    }

    async fn the_devices_of_a_list_come_in_their_order_with_their_rows(db: Database) {
        let (store, tenant) = (db.open().await, Tenant::default());
        let known = device("device 3");
        put(&store, [Write::DeviceInsert(known.clone())]).await;
        let key = ready(&store, "fleet", 0..5).await;
        let first = store.listed_devices(&tenant, key, 0, 3).await.unwrap();
        let rest = store.listed_devices(&tenant, key, first[2].place, 3).await.unwrap();
        let names: Vec<_> = first.iter().chain(&rest).map(|listed| listed.device.as_str()).collect();
        assert_eq!(names, ["device 0", "device 1", "device 2", "device 3", "device 4"]);
        let keys: Vec<_> = first.iter().chain(&rest).filter_map(|listed| listed.key).collect();
        assert_eq!(keys, [known.key]);
    }

    async fn a_name_has_one_list_that_can_be_used(db: Database) {
        let (store, tenant) = (db.open().await, Tenant::default());
        let (first, second) = (open(&store, "fleet").await, open(&store, "fleet").await);
        store.show_list(second, 1, 0, at(1)).await.unwrap().unwrap();
        assert_eq!(store.show_list(first, 1, 0, at(1)).await.unwrap(), Err(Conflict::ListExists));
        assert!(store.drop_list(second, at(2)).await.unwrap());
        assert!(!store.drop_list(second, at(2)).await.unwrap());
        assert_eq!(store.find_list(&tenant, &called("fleet")).await.unwrap(), None);
        store.show_list(first, 1, 0, at(3)).await.unwrap().unwrap();
        assert_eq!(store.find_list(&tenant, &called("fleet")).await.unwrap().unwrap().key, first);
        assert_eq!(store.show_list(second, 1, 0, at(3)).await.unwrap(), Err(Conflict::ListGone(second)));
    }

    async fn what_was_given_up_or_not_used_for_long_is_cleared_away(db: Database) {
        let (store, tenant) = (db.open().await, Tenant::default());
        let idle = open(&store, "idle").await;
        store.add_to_list(idle, 0, &names(0..5), at(5)).await.unwrap();
        let busy = open(&store, "busy").await;
        store.add_to_list(busy, 0, &names(0..5), at(50)).await.unwrap();
        let unused = ready(&store, "unused", 0..5).await;
        store.prune_lists(at(0), at(0), 100).await.unwrap();
        assert!(store.find_list(&tenant, &called("unused")).await.unwrap().is_some());
        let mut gone = 0;
        for _ in 0..4 {
            gone += store.prune_lists(at(10), at(10), 100).await.unwrap();
        }
        assert_eq!(gone, 10);
        assert_eq!(store.find_list(&tenant, &called("unused")).await.unwrap(), None);
        assert!(store.listed_devices(&tenant, unused, 0, 9).await.unwrap().is_empty());
        assert_eq!(store.add_to_list(idle, 5, &names(5..6), at(11)).await.unwrap(), None);
        assert_eq!(store.add_to_list(busy, 5, &names(5..6), at(51)).await.unwrap(), Some(1));
        let left = db.rows::<(i64,)>("SELECT COUNT(*) FROM target_list").await;
        assert_eq!(left, [(1,)]);
    }
}
