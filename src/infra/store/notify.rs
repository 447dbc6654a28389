//! News between replicas over PostgreSQL's NOTIFY: that something became due, or is to be told. It only shortens the wait until the
//! next look, so one that is lost is no harm. It is sent by a task of its own, never in the commit that it tells of, and what comes
//! close together is one.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Error, Settings, Store, Unit, Write, conn::Inner};
use crate::infra::telemetry::chain;

/// What replicas listen to; each database has its own.
const CHANNEL: &str = "scomo_work";
/// News that follow each other so closely are one.
const GATHER: Duration = Duration::from_millis(20);
/// The pause after the connection was lost.
const PAUSE: Duration = Duration::from_secs(2);

/// Whether others may have something to do once the unit is committed.
pub(super) fn is_news(unit: &Unit) -> bool {
    let news = |write: &Write| matches!(write, Write::DuePut { .. } | Write::WakeNext { .. } | Write::EventInsert(_));
    unit.writes.iter().any(news)
}

impl Store {
    /// Sends news of what this store commits, and calls `look` for that of others, until it is stopped. Does nothing but on PostgreSQL
    /// with `database.notify`.
    pub async fn share_news(&self, settings: &Settings, look: impl Fn() + Send + Sync, stop: CancellationToken) {
        let Inner::Pg(pg) = &self.core.inner else { return };
        if !settings.notify {
            return;
        }
        let send = async {
            loop {
                self.core.news.notified().await;
                // A lost one is made up for by the next look.
                let sent = sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&pg.pool).await;
                if let Err(error) = sent.map_err(Error::database("notify")) {
                    silent(&error);
                }
                sleep(GATHER).await;
            }
        };
        let listen = async {
            loop {
                let Err(error) = hear(settings, &look).await.map_err(Error::database("listen"));
                silent(&error);
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = send => {}
            () = listen => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Listens until the connection fails for good.
async fn hear(settings: &Settings, look: &(impl Fn() + Send + Sync)) -> sqlx::Result<std::convert::Infallible> {
    let mut listener = PgListener::connect(&settings.url).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // `None` is a connection that was lost and is there again: news may have been missed.
        listener.try_recv().await?;
        look();
    }
}

fn silent(error: &Error) {
    tracing::debug!(error = chain(error), "No news between replicas for now; due work is found by looking");
}
