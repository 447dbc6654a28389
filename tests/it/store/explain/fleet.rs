//! A database full of devices, jobs and what hangs on them.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// The moment that the rows are around, in microseconds.
pub(super) const NOW: i64 = 1_795_176_000_000_000;

/// The id of row `number` of a kind, as the function of that name makes it.
pub(super) fn id(kind: u32, number: u64) -> String {
    format!("{kind:08x}-0000-7000-8000-{number:012x}")
}

/// Fills an empty database with so many devices.
pub(super) async fn fill(url: &str, devices: u32) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection
        .execute(
            "CREATE FUNCTION fleet_id(kind bigint, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
            SELECT (lpad(to_hex(kind), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid $$",
        )
        .await
        .unwrap();
    let run = async |text: &str| {
        let text = text.replace("{n}", &devices.to_string()).replace("{now}", &NOW.to_string());
        let mut connection = PgConnection::connect(url).await.unwrap();
        connection.execute(AssertSqlSafe(text)).await.unwrap();
    };
    let (jobs, rest) = (include_str!("../../../data/fleet/jobs.sql"), include_str!("../../../data/fleet/rest.sql"));
    tokio::join!(run(jobs), run(rest));
    connection.execute("VACUUM ANALYZE").await.unwrap();
}
