//! T-DIR: delivery over the DM session itself.

use super::{D1, HELLO_PKG, SINE_PKG, alerts, codes, heard, history, said, sent_to, targets, watched};
use crate::{
    flows::{HELLO, HELLO_SCRIPT, HELLO_SHA256, SINE, SINE_SHA256},
    support::{
        api::{download, with},
        world::World,
    },
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dir_1_a_small_package_comes_in_one_message_and_is_installed() {
    let world = watched("").await;
    let ended = world.run("r", download(HELLO, "install", "direct")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    let data = sent_to(&said(&world), "Data");
    assert_eq!(data.len(), 1);
    assert!(!data[0].0.more_data, "whole");
    assert!(targets(&said(&world), "Exec")[0].ends_with("/Operations/Install"));
    assert_eq!(world.held(D1, HELLO_PKG).unwrap(), HELLO_SHA256);
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
    world.end().await;
}

/// The pieces of the package that the server sent.
fn pieces(world: &World) -> Vec<(bool, Option<String>)> {
    sent_to(&said(world), "Data").into_iter().map(|(item, size)| (item.more_data, size)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dir_2_a_large_package_comes_in_pieces_of_which_only_the_first_tells_the_size() {
    let world = watched("").await;
    let ended = world.run("r", download(SINE, "install", "direct")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    let pieces = pieces(&world);
    assert!(pieces.len() > 2, "{pieces:?}");
    let (last, others) = pieces.split_last().unwrap();
    assert!(others.iter().all(|(more, _)| *more) && !last.0, "{pieces:?}");
    let sizes: Vec<_> = pieces.iter().map(|(_, size)| size.is_some()).collect();
    assert!(sizes[0] && !sizes[1..].contains(&true), "{pieces:?}");
    let answered = codes(&heard(&world), "Add").into_iter().chain(codes(&heard(&world), "Replace"));
    assert_eq!(answered.filter(|code| *code == 213).count(), others.len());
    assert_eq!(alerts(&heard(&world)).iter().filter(|code| *code == "1222").count(), others.len());
    assert_eq!(world.held(D1, SINE_PKG).unwrap(), SINE_SHA256);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dir_3_an_object_whose_size_is_doubted_is_sent_whole_once_more_and_no_more() {
    // Size may count the text of an object or its bytes: the second time it counts the other.
    for (tables, doubts, sent, state) in [
        ("[device.limits]\nsize_unit = \"decoded\"", 1, 2, "succeeded"),
        ("[device.faults]\nsize_mismatch = 9", 2, 2, "failed"),
    ] {
        let world = watched(tables).await;
        let ended = world.run("r", download(SINE, "deliver", "direct")).await;
        assert_eq!(ended.job()["state"], state, "{:#}", ended.job());
        let answered = [codes(&heard(&world), "Add"), codes(&heard(&world), "Replace")].concat();
        assert_eq!(answered.iter().filter(|code| **code == 424).count(), doubts, "{tables}");
        assert_eq!(pieces(&world).iter().filter(|(_, size)| size.is_some()).count(), sent, "{tables}");
        assert_eq!(world.held(D1, SINE_PKG).is_some(), state == "succeeded", "{tables}");
        if state == "failed" {
            let result = &ended.job()["result"];
            assert_eq!((&result["class"], &result["device_code"]), (&json!("refused"), &json!(424)));
        }
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_whose_size_was_wrongly_doubted_arrives_with_the_next_attempt() {
    let world = watched("[device.faults]\nsize_mismatch = 1").await;
    let ask = with(download(SINE, "deliver", "direct"), json!({ "retry": { "limit": 1, "backoff": "1s" } }));
    let ended = world.run("r", ask).await;
    assert_eq!(ended.outcome(), ("succeeded", None), "{:#}", ended.job());
    assert_eq!((&ended.job()["attempt"], world.held(D1, SINE_PKG).unwrap().as_str()), (&json!(2), SINE_SHA256));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dir_4_a_device_without_large_objects_is_sent_none() {
    // One device says so, the other is not asked and refuses the first piece.
    let refusing = "[device.devdetail]\nlrgobj = false";
    let world = watched(refusing).await;
    let ended = world.run("told", download(SINE, "install", "auto")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!((&ended.job()["delivery"], pieces(&world)), (&json!("alternate"), vec![]));
    world.end().await;
    let world = watched(refusing).await;
    let ask = with(download("org.example.settings", "install", "auto"), json!({ "collect": [] }));
    let ended = world.run("untold", ask).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#} {}", ended.job(), history(&world, "untold").await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dir_5_no_object_is_larger_than_the_device_takes() {
    let world = watched("[device.limits]\nmax_obj_size = 100000").await;
    let ended = world.run("large", download(SINE, "install", "auto")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!((&ended.job()["delivery"], pieces(&world)), (&json!("alternate"), vec![]));
    let ended = world.run("small", download("org.example.settings", "deliver", "direct")).await;
    assert_eq!(ended.job()["state"], "succeeded", "{:#}", ended.job());
    let sizes: Vec<u64> = pieces(&world).iter().filter_map(|(_, size)| size.as_ref()?.parse().ok()).collect();
    assert!(sizes.iter().all(|size| *size <= 100_000), "{sizes:?}");
    world.end().await;
}
