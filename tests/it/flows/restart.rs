//! The server is another one with each message: nothing of a session is kept but in the database.

use scomo::sim::Operation;

use super::{SETTINGS, SETTINGS_SHA256, device};
use crate::support::{
    api::download,
    database::{Database, on_each_database},
    gate::Mode,
    world::Plan,
};

/// Plays a flow on a server that is stopped and started again before each message, and before the first.
async fn plays(db: Database, tables: &str, delivery: &str, operation: Operation) {
    let world = Plan::of(db).devices(&device(1, tables)).gate(Mode::Restart).start().await;
    let ended = world.run("r", download(SETTINGS, "install", delivery)).await;
    assert_eq!(ended.outcome(), ("succeeded", Some(1200)), "{:#}", ended.job());
    assert_eq!(world.watch.executed("dev-1"), [(operation, 1200)]);
    assert_eq!(world.held("dev-1", "org.example.settings@2.0.0").unwrap(), SETTINGS_SHA256);
    let passed = world.gate.as_ref().unwrap().passed();
    assert!(passed.len() > 5 && passed.iter().all(|message| message.answers[0].0 == 200), "{}", passed.len());
    world.end().await;
}

on_each_database! {
    async fn between_any_two_messages_of_a_direct_delivery(db: Database) {
        plays(db, "[device.limits]\nmax_msg_size = 4096", "direct", Operation::Install).await;
    }

    async fn between_any_two_messages_of_an_alternate_download(db: Database) {
        plays(db, "", "alternate", Operation::DownloadInstall).await;
    }
}
