//! What each statement costs when the tables are full: it finds its rows by an index, and reads no more than it needs.
//!
//! The statements are read from the sources, so that none is left out. For those that are listed here the plan with real parameters
//! is run and what it reads is counted; the others are held against the plan without parameters.

mod fleet;
mod listed;

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::support::database::{Database, skipped};
use listed::{LISTED, Listed};

/// Tables that stay small, whatever the fleet.
const SMALL: [&str; 4] = ["package", "relay_lease", "schema_info", "event_default"];

/// Statements that may read a table from its beginning to its end, and why.
const MAY_SCAN: [(&str, &str); 1] =
    [("event.waiting", "counts the outbox, which is short unless the bus is away, once a second")];

/// Statements that only the API runs, whose connections plan each of them with its parameters.
const CUSTOM: [&str; 1] = ["job.list"];

/// The types of parameters that the server cannot guess; the program tells them.
const TYPES: [(&str, &str); 4] = [
    ("grant.note", "(uuid, bigint, text)"),
    ("job.list", "(text, uuid, text, text, bigint, uuid, bigint)"),
    ("pause.forgive", "(text, text, text)"),
    ("pause.insert", "(uuid, text, text, text, uuid, text, text, bigint)"),
];

/// The statements by name, as `due.lease`.
fn statements() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/infra/store/sql/pg")).unwrap() {
        let source = syn::parse_file(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        for item in source.items {
            let syn::Item::Const(item) = item else { continue };
            let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = *item.expr else { continue };
            let text = text.value();
            let name = text.lines().next().unwrap().trim_start_matches("-- ").to_owned();
            found.insert(name, text);
        }
    }
    found
}

/// What a plan does.
struct Plan(Value);

impl Plan {
    /// Pages that were looked at.
    fn buffers(&self) -> u64 {
        let count = |of: &str| self.0[of].as_u64().unwrap_or_default();
        count("Shared Hit Blocks") + count("Shared Read Blocks")
    }

    /// What the server thinks that it costs.
    fn cost(&self) -> f64 {
        self.0["Total Cost"].as_f64().unwrap()
    }

    /// The large tables that are read from beginning to end.
    fn scans(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.0, &mut |node| {
            if node["Node Type"].as_str().is_some_and(|kind| kind.ends_with("Seq Scan")) {
                let table = node["Relation Name"].as_str().unwrap_or_default();
                if !SMALL.contains(&table) {
                    found.push(table.to_owned());
                }
            }
        });
        found
    }
}

fn walk(node: &Value, look: &mut impl FnMut(&Value)) {
    look(node);
    node["Plans"].as_array().into_iter().flatten().for_each(|child| walk(child, look));
}

/// Explains the prepared statement `s`.
async fn explain(connection: &mut PgConnection, how: &str, parameters: &str) -> Result<Plan, sqlx::Error> {
    let call = if parameters.is_empty() { "EXECUTE s".to_owned() } else { format!("EXECUTE s({parameters})") };
    let explain = format!("EXPLAIN ({how}, FORMAT JSON) {call}");
    connection.execute("BEGIN").await?;
    let plan: Result<Value, _> =
        sqlx::query_scalar(AssertSqlSafe(explain)).persistent(false).fetch_one(&mut *connection).await;
    connection.execute("ROLLBACK").await?;
    Ok(Plan(plan?[0]["Plan"].clone()))
}

/// What is wrong with a statement.
async fn judge(connection: &mut PgConnection, name: &str, text: &str) -> Result<Vec<String>, sqlx::Error> {
    let mut wrong = Vec::new();
    connection.execute("DEALLOCATE ALL").await?;
    let types = TYPES.iter().find(|(of, _)| *of == name).map_or("", |(_, types)| types);
    connection.execute(AssertSqlSafe(format!("PREPARE s{types} AS {text}"))).await?;
    let mut dear = f64::MAX;
    for Listed { parameters, buffers, .. } in LISTED.iter().filter(|listed| listed.name == name) {
        connection.execute("SET plan_cache_mode = force_custom_plan").await?;
        let plan = explain(connection, "ANALYZE, BUFFERS", &parameters()).await?;
        dear = dear.min(plan.cost());
        wrong.extend(plan.scans().into_iter().map(|table| format!("{name} scans {table}: {:#}", plan.0)));
        if plan.buffers() > *buffers {
            wrong.push(format!("{name} reads {} pages where {buffers} must do: {:#}", plan.buffers(), plan.0));
        }
    }
    if !CUSTOM.contains(&name) {
        connection.execute("SET plan_cache_mode = force_generic_plan").await?;
        let count = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 's'";
        let count: i32 = sqlx::query_scalar(count).persistent(false).fetch_one(&mut *connection).await?;
        let plan = explain(connection, "COSTS", &vec!["NULL"; usize::try_from(count).unwrap()].join(", ")).await?;
        // The server takes a general plan only if it seems to cost no more than those for real parameters.
        if plan.cost() < dear {
            wrong
                .extend(plan.scans().into_iter().map(|table| format!("{name} scans {table} in general: {:#}", plan.0)));
        }
    }
    Ok(wrong)
}

#[tokio::test]
async fn each_statement_finds_its_rows_by_an_index_among_a_million_devices_and_jobs() {
    let Some(db) = Database::postgres().await else {
        return skipped("each_statement_finds_its_rows_by_an_index_among_a_million_devices_and_jobs");
    };
    db.open().await.close().await;
    fleet::fill(&db.settings.url, 1_000_000).await;
    let statements = statements();
    for listed in LISTED {
        assert!(statements.contains_key(listed.name), "there is no statement {}", listed.name);
    }
    let mut connection = PgConnection::connect(&db.settings.url).await.unwrap();
    let mut wrong = Vec::new();
    for (name, text) in statements.iter().filter(|(name, _)| MAY_SCAN.iter().all(|(may, _)| may != name)) {
        match judge(&mut connection, name, text).await {
            Ok(found) => wrong.extend(found),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
