//! `migrate`, and `serve` on a schema that is not its own.

use std::process::{Command, Stdio};

use super::{Ran, program, serve};
use crate::support::database::{Database, skipped};

fn on(db: &Database, arguments: &[&str]) -> Command {
    let mut command = program(arguments);
    command.env("SCOMO__DATABASE__URL", &db.settings.url);
    command.env("SCOMO__SECRETS__KEYS", format!("[{:?}]", db.keys[0].expose()));
    command
}

#[tokio::test]
async fn several_migrate_at_once_and_each_says_that_it_is_done() {
    let Some(db) = Database::postgres().await else {
        return skipped("several_migrate_at_once_and_each_says_that_it_is_done");
    };
    let children: Vec<_> =
        (0..4).map(|_| on(&db, &["migrate"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).collect();
    for child in children {
        Ran::of(child.wait_with_output().unwrap()).ended(0, &["The schema is up to date."]);
    }
    let finish = Ran::of(on(&db, &["migrate", "--finish"]).output().unwrap());
    finish.ended(0, &["The schema is up to date.", "There is nothing to finish."]);
    let json = Ran::of(on(&db, &["migrate", "--finish", "--json"]).output().unwrap()).json();
    assert_eq!(json, serde_json::json!({ "migrated": true, "finished": 0 }));
}

#[tokio::test]
async fn a_server_says_what_to_do_about_a_schema_that_is_not_its_own() {
    let Some(db) = Database::postgres().await else {
        return skipped("a_server_says_what_to_do_about_a_schema_that_is_not_its_own");
    };
    let folder = tempfile::tempdir().unwrap();
    let server = |migrate: &str| {
        let mut command = serve(folder.path(), "packages");
        command.env("SCOMO__DATABASE__URL", &db.settings.url).env("SCOMO__DATABASE__MIGRATE", migrate);
        command.env("SCOMO__SECRETS__KEYS", format!("[{:?}]", db.keys[0].expose()));
        Ran::of(command.output().unwrap())
    };
    server("false").ended(1, &["the schema of the database is older than this program; run `scomo migrate`"]);
    let mut migrate = on(&db, &["migrate"]);
    migrate.env("SCOMO__DATABASE__MIGRATE", "false");
    Ran::of(migrate.output().unwrap()).ended(0, &["The schema is up to date."]);
    db.raw("UPDATE schema_info SET oldest_binary = '99.0.0'").await;
    server("true").ended(1, &["the database serves scomo 99.0.0 and later", "start a newer release"]);
}

#[test]
fn a_sqlite_file_is_migrated_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(&["migrate", "--finish"]);
    command.env("SCOMO__DATABASE__URL", format!("sqlite://{}", folder.path().join("scomo.db").display()));
    Ran::of(command.output().unwrap()).ended(0, &["The schema is up to date.", "There is nothing to finish."]);
}
