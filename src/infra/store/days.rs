//! The partitions of `event` on PostgreSQL: one for each day (UTC), made ahead, and dropped as a whole when its last event is old
//! enough. Whatever falls on no day that is there is in the partition by default until its day is made.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::{Error, Store, conn::Inner};
use crate::model::clock::Timestamp;

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

/// So many days are made ahead.
const AHEAD: i64 = 2;

/// A partition, without the one by default.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Days {
    name: String,
    /// Its first microsecond, and the first that is not its own any more.
    span: (i64, i64),
}

impl Days {
    /// Reads a bound as PostgreSQL writes it.
    fn of(name: String, bound: &str) -> Option<Self> {
        let (from, to) = bound.strip_prefix("FOR VALUES FROM (")?.strip_suffix(')')?.split_once(") TO (")?;
        let from = if from == "MINVALUE" { Some(i64::MIN) } else { from.trim_matches('\'').parse().ok() };
        Some(Self { name, span: (from?, to.trim_matches('\'').parse().ok()?) })
    }
}

impl Store {
    /// Makes the partitions of today and the next days, where they are missing. While another replica is at it: none.
    pub async fn make_days(&self) -> Result<(), Error> {
        let Inner::Pg(pg) = &self.core.inner else { return Ok(()) };
        let today = self.core.clock.now().micros().div_euclid(DAY);
        let mut connection = pg.pool.acquire().await.map_err(Error::database("days.make"))?;
        let there = partitions(&mut connection).await.map_err(Error::database("days.list"))?;
        for day in today..=today.saturating_add(AHEAD) {
            let (from, to) = (day.saturating_mul(DAY), day.saturating_add(1).saturating_mul(DAY));
            if there.iter().any(|days| days.span.0 <= from && to <= days.span.1) {
                continue;
            }
            make(&mut connection, from, to).await.map_err(Error::database("days.make"))?;
        }
        Ok(())
    }

    /// Drops the partitions whose last event is from before `before`.
    pub(super) async fn drop_days(&self, before: Timestamp) -> Result<(), Error> {
        let Inner::Pg(pg) = &self.core.inner else { return Ok(()) };
        let mut connection = pg.pool.acquire().await.map_err(Error::database("days.drop"))?;
        let there = partitions(&mut connection).await.map_err(Error::database("days.list"))?;
        for days in there.iter().filter(|days| days.span.1 <= before.micros()) {
            let statement = format!("DROP TABLE IF EXISTS {}", days.name);
            connection.execute(AssertSqlSafe(statement)).await.map_err(Error::database("days.drop"))?;
        }
        Ok(())
    }
}

async fn partitions(connection: &mut PgConnection) -> sqlx::Result<Vec<Days>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "-- days.list
        SELECT c.oid::regclass::text, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'event'::regclass",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().filter_map(|(name, bound)| Days::of(name, &bound)).collect())
}

/// Makes a partition, and moves there what has come by default.
async fn make(connection: &mut PgConnection, from: i64, to: i64) -> sqlx::Result<()> {
    let date: String = Timestamp::from_micros(from).to_string().chars().take(10).filter(char::is_ascii_digit).collect();
    let name = format!("event_{date}");
    let mut tx = connection.begin().await?;
    let mine: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(1935896431, 2)").fetch_one(&mut *tx).await?;
    let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(&name).fetch_one(&mut *tx).await?;
    if !mine || there {
        return Ok(());
    }
    // Nothing may come by default between the move and the moment when the day is there.
    let statements = format!(
        "LOCK TABLE event_default IN ACCESS EXCLUSIVE MODE;
        CREATE TABLE {name} (LIKE event INCLUDING DEFAULTS);
        WITH moved AS (DELETE FROM event_default WHERE at >= {from} AND at < {to} RETURNING *)
        INSERT INTO {name} SELECT * FROM moved;
        ALTER TABLE event ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
    );
    tx.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_they_are_written() {
        let days = |bound| Days::of("d".to_owned(), bound).map(|days| days.span);
        assert_eq!(
            days("FOR VALUES FROM ('1795132800000000') TO ('1795219200000000')"),
            Some((1_795_132_800_000_000, 1_795_219_200_000_000))
        );
        assert_eq!(days("FOR VALUES FROM (MINVALUE) TO ('7')"), Some((i64::MIN, 7)));
        assert_eq!(days("DEFAULT"), None);
    }
}
