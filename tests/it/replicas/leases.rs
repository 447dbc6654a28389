//! Leases of a replica that goes on: what it cannot use it does not keep.

use std::{collections::BTreeSet, net::SocketAddr};

use url::Url;

use crate::support::{
    broker::{Bus, url},
    cable::Cable,
    service::{Service, request},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_of_the_outbox_are_free_when_their_connection_is_lost() {
    let Some(direct) = url("shards_of_the_outbox_are_free_when_their_connection_is_lost") else { return };
    let mut by_cable = Url::parse(&direct).unwrap();
    let cable = Cable::to(SocketAddr::from(([127, 0, 0, 1], by_cable.port().unwrap()))).await;
    by_cable.set_port(Some(cable.address.port())).unwrap();
    let bus = Bus::at(&direct).await;
    let mut events = bus.listen("#").await;
    // Much longer than the test waits: whoever has to wait for a lease to run out waits in vain.
    let settings = format!("{}[limits]\nlease = \"1h\"\n", bus.settings_at(by_cable.as_str(), ""));
    let service = Service::with(&settings).await;
    let mut open = BTreeSet::new();
    for round in 0..6 {
        for number in 0..40 {
            let id = format!("r{round}-{number}");
            assert_eq!(service.post("/requests", &request(&id, &["unknown"])).await.status, 202);
            open.insert(id);
        }
        cable.cut();
        cable.mend();
    }
    while !open.is_empty() {
        let event = events.until(|event| event["type"] == "scomo.request.completed").await;
        open.remove(event["subject"].as_str().unwrap());
    }
    service.stop().await;
}
