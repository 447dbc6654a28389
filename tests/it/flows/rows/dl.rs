//! T-DL: indirect delivery.

use std::time::Duration;

use scomo::sim::Operation;
use serde_json::json;

use super::{
    D1, HELLO_PKG, class, codes, heard, history, listed, pairs, said, sent_to, targets, watched, watched_by, written,
};
use crate::{
    flows::{HELLO, HELLO_SCRIPT, HELLO_SHA256, NETWORK, SETTINGS, device},
    support::{
        api::{Ended, download, with},
        database::Database,
        gate::Mode,
        watch::until,
        world::{Plan, World},
    },
};

/// Plays an alternate download, which must succeed by a report.
async fn fetched(world: &World, action: &str) -> Ended {
    let ended = world.run("r", download(HELLO, action, "alternate")).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(codes(&heard(world), "Exec"), [202], "the device takes it on");
    assert!(ended.told().contains(&"awaiting_report"), "{:?}", ended.told());
    ended
}

/// The only entry of `Download` that the server worked on, and the operation that it executed.
fn executed(world: &World) -> (String, String) {
    let exec = targets(&said(world), "Exec");
    assert_eq!(exec.len(), 1, "{exec:?}");
    let (entry, operation) = exec[0].split_once("/Operations/").unwrap();
    (entry.to_owned(), operation.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dl_1_a_download_ends_when_its_report_comes_and_the_entry_is_seen() {
    let world = watched("").await;
    fetched(&world, "deliver").await;
    assert_eq!(executed(&world).1, "Download");
    assert_eq!(world.held(D1, HELLO_PKG).unwrap(), HELLO_SHA256);
    assert_eq!(listed(&world, D1, "packages").await, pairs(&[(HELLO_PKG, "delivered")]));
    assert_eq!(listed(&world, D1, "components").await, []);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dl_2_a_download_with_installation_makes_the_component_active() {
    let world = watched("").await;
    fetched(&world, "install").await;
    assert_eq!(executed(&world).1, "DownloadInstall");
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), true)));
    assert_eq!(listed(&world, D1, "components").await, pairs(&[(HELLO_SCRIPT, "active")]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dl_3_a_download_with_inactive_installation_leaves_the_component_inactive() {
    let world = watched("").await;
    fetched(&world, "install-inactive").await;
    assert_eq!(executed(&world).1, "DownloadInstallInactive");
    assert_eq!(world.component(D1, HELLO_SCRIPT), Some(("1.1.0".to_owned(), false)));
    assert_eq!(listed(&world, D1, "components").await, pairs(&[(HELLO_SCRIPT, "inactive")]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dl_4_children_that_are_there_already_are_replaced() {
    let world = watched("[device.scomo]\nchildren = \"device\"").await;
    fetched(&world, "install").await;
    assert!(codes(&heard(&world), "Add").contains(&418));
    let entry = executed(&world).0;
    let replaced = targets(&said(&world), "Replace");
    for leaf in ["PkgID", "PkgURL"] {
        assert!(replaced.contains(&format!("{entry}/{leaf}")), "{replaced:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dl_5_the_entry_that_the_device_came_with_is_reused() {
    let world = watched("[device.scomo]\nfixed = [\"RB_DP\"]").await;
    fetched(&world, "install").await;
    let (entry, operation) = executed(&world);
    assert_eq!((entry.as_str(), operation.as_str()), ("./SCOMO/Download/RB_DP", "DownloadInstall"));
    assert_eq!(targets(&said(&world), "Delete"), Vec::<String>::new(), "it stays");
    let again = world.run("again", download(HELLO, "install", "alternate")).await;
    assert_eq!(again.outcome(), ("already_done", None), "{:#}", again.job());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dl_5_the_only_entry_takes_one_package_after_the_other() {
    let world = watched("[device.scomo]\nfixed = [\"RB_DP\"]").await;
    for (package, component) in [(SETTINGS, NETWORK), (HELLO, HELLO_SCRIPT)] {
        let ended = world.run(package, download(package, "install", "alternate")).await;
        assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{package}: {:#}", ended.job());
        assert!(world.component(D1, component).is_some_and(|(_, active)| active), "{package}");
    }
    let exec = targets(&said(&world), "Exec");
    assert_eq!(exec, ["./SCOMO/Download/RB_DP/Operations/DownloadInstall"; 2]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_an_attempt_left_behind_is_used_by_the_next() {
    let stubborn = "[[device.refuse]]\ncommand = \"Delete\"\nnode = \"./SCOMO/Download\"\nbelow = true\nstatus = 405\n\
                    [[device.result]]\noperation = \"DownloadInstall\"\ncode = 1402\ntimes = 1";
    let world = watched(stubborn).await;
    let ask = with(download(HELLO, "install", "alternate"), json!({ "retry": { "limit": 1, "backoff": "1s" } }));
    let ended = world.run("r", ask).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(world.watch.executed(D1), [(Operation::DownloadInstall, 1402), (Operation::DownloadInstall, 1200)]);
    let urls = sent_to(&said(&world), "PkgURL");
    let data: Vec<_> = urls.into_iter().filter_map(|(item, _)| item.data?.text().map(str::to_owned)).collect();
    assert!(data.len() > 1 && data.first() != data.last(), "a grant of its own for each attempt: {data:?}");
    world.end().await;
}

/// A device that is asked how far it is while it works, and what its job's history says then.
async fn looked_at(tables: &str, action: &str, sign: &str) {
    let plan = Plan::of(Database::sqlite()).devices(&device(1, tables)).gate(Mode::Pass);
    let world = plan.tune(|settings| settings.job.patience.report = Duration::from_millis(100)).start().await;
    world.api.submit("r", &[D1], download(HELLO, action, "alternate")).await;
    until(sign, async || history(&world, "r").await.contains(sign).then_some(())).await;
    let ended = world.api.ended("r").await;
    world.fleet.idle().await;
    assert_eq!(ended.job()["state"], "succeeded", "{tables}: {:#}", ended.job());
    assert!(targets(&said(&world), "Get").iter().any(|uri| uri.contains("/Status")), "{tables}");
    assert_eq!(world.watch.executed(D1).len(), 1, "{tables}: once");
    assert_eq!(world.held(D1, HELLO_PKG).unwrap(), HELLO_SHA256);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dl_6_the_status_of_an_entry_says_how_far_the_device_is() {
    // Status 30, then 50, while it works; 40 once it has everything and does not say so.
    looked_at("[device.delays]\noperation = \"1500ms\"", "install", "the device is downloading").await;
    looked_at("[device.delays]\ninstall = \"1500ms\"", "install", "the device is installing").await;
    looked_at("[[device.result]]\nsilent = \"done\"", "deliver", "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dl_7_an_entry_that_stays_is_deleted_and_one_that_is_gone_or_cannot_go_is_no_matter() {
    let stubborn = "[[device.refuse]]\ncommand = \"Delete\"\nnode = \"./SCOMO/Download\"\nbelow = true\nstatus = 425";
    for (tables, deleted, left) in [
        ("[device.scomo]\nafter_download = \"keep\"", vec![200], false),
        ("[device.scomo]\nafter_download = \"move\"", vec![404], false),
        (stubborn, vec![425], true),
    ] {
        let world = watched(tables).await;
        fetched(&world, "install").await;
        assert_eq!(codes(&heard(&world), "Delete"), deleted, "{tables}");
        let entry = executed(&world).0;
        let lines = world.tree(D1).lines;
        assert_eq!(
            lines.iter().any(|line| line.contains(entry.trim_start_matches("./"))),
            left,
            "{tables}: {lines:#?}"
        );
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dl_8_the_package_itself_is_served_where_no_descriptor_is_wanted() {
    let world = watched_by(class!("alternate = \"package\""), &[""]).await;
    fetched(&world, "install").await;
    let url = written(&said(&world), "PkgURL").unwrap();
    assert!(url.contains("/dl/") && url.ends_with("/hello.sh"), "{url}");
    assert_eq!(world.tree(D1).posts, [], "nobody asked for a status report");
    assert_eq!(world.held(D1, HELLO_PKG).unwrap(), HELLO_SHA256);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_dl_9_the_object_is_what_its_descriptor_says() {
    // The device takes nothing but this type, and compares the size.
    let world = watched("[device.limits]\ntypes = [\"application/x-sh\"]").await;
    fetched(&world, "install").await;
    let url = written(&said(&world), "PkgURL").unwrap();
    assert!(url.contains("/dd/"), "{url}");
    let tree = world.tree(D1);
    let package = tree.package(HELLO_PKG).unwrap();
    assert_eq!((package.size, package.sha256.unwrap().to_string()), (Some(255), HELLO_SHA256.to_owned()));
    let posts: Vec<_> = tree.posts.iter().map(|post| (post.code, post.taken)).collect();
    assert_eq!(posts, [(900, true)]);
    assert_eq!(world.watch.executed(D1), [(Operation::DownloadInstall, 1200)]);
    world.end().await;
}
