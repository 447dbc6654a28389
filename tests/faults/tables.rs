//! What must not be left over in the tables when everything has ended.

use std::time::Duration;

use scomo::{infra::system::SystemClock, model::clock::Clock as _};
use sqlx::{Connection as _, PgConnection};
use tokio::time::sleep;

/// How long is waited for leftovers to go: longer than a lease of a replica that was killed.
const PATIENCE: Duration = Duration::from_secs(25);

/// A statement that finds leftovers, with `$1` for the present.
const LEFT: &[(&str, &str)] = &[
    (
        "due work",
        "SELECT format('%s of %s at %s, leased until %s', errand, subject, at, lease_until) FROM due WHERE $1 > 0",
    ),
    (
        "a lease of a shard",
        "SELECT format('shard %s until %s', shard, until) FROM relay_lease WHERE token IS NOT NULL AND until > $1",
    ),
    ("an untold event", "SELECT format('%s of %s, tries %s', kind, subject, tries) FROM outbox WHERE $1 > 0"),
    (
        "a live job",
        "SELECT format('%s of %s is %s', id, device_id, state) FROM job WHERE finished_at IS NULL AND $1 > 0",
    ),
    (
        "an open request",
        "SELECT format('%s of %s', request_id, source) FROM request WHERE completed_at IS NULL AND $1 > 0",
    ),
    (
        "a grant of an ended job",
        "SELECT format('%s of job %s', g.id, g.job_id) FROM download_grant g JOIN job j ON j.id = g.job_id \
         WHERE j.finished_at IS NOT NULL AND NOT g.revoked AND g.expires_at > $1",
    ),
    (
        "a second open session of a device",
        "SELECT format('%s has %s', device_key, COUNT(*)) FROM session WHERE open AND authenticated AND $1 > 0 \
         GROUP BY device_key HAVING COUNT(*) > 1",
    ),
    ("a dead letter", "SELECT format('%s: %s', kind, problem) FROM dead_letter WHERE $1 > 0"),
];

/// What is left over, a line each, after it had time to go.
pub(crate) async fn leftovers(url: &str) -> Vec<String> {
    let began = SystemClock.now();
    loop {
        let left = look(url).await;
        if left.is_empty() || SystemClock.now().since(began) > PATIENCE {
            return left;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

async fn look(url: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let mut left = Vec::new();
    for (what, statement) in LEFT {
        let rows: Vec<(String,)> =
            sqlx::query_as(*statement).bind(SystemClock.now().micros()).fetch_all(&mut connection).await.unwrap();
        left.extend(rows.into_iter().map(|(row,)| format!("left over: {what}: {row}")));
    }
    connection.close().await.unwrap();
    left
}
