//! The baseline: an axum endpoint that takes a message, updates one row by its own commit, and answers as many bytes as the service
//! would.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use scomo::{
    infra::system::{SystemClock, SystemMint},
    model::clock::{Clock as _, Mint as _, Timestamp},
};
use sqlx::{PgPool, SqlitePool, pool::PoolOptions, sqlite::SqliteSynchronous};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    task::{JoinHandle, JoinSet},
};

use super::{
    CONNECTIONS, DEVICES,
    http::Connection,
    load::Said,
    measure::{Meter, Run, Sizes},
    stage::{Beside, Stage},
};

/// The endpoint, and what is posted to it.
pub(crate) struct Bare {
    address: SocketAddr,
    message: Vec<u8>,
    serving: JoinHandle<()>,
}

/// What the endpoint works with.
struct Endpoint {
    pool: Pool,
    /// Rows are written in turn.
    turn: AtomicU32,
    stored: usize,
    answer: Bytes,
}

enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Bare {
    /// Makes a table in the stage's database, with a row for each device, and serves the endpoint.
    pub(crate) async fn set(server: &Runtime, stage: &Stage, sizes: &Sizes) -> Result<Self> {
        let pool = match &stage.beside {
            Beside::Sqlite(pool) => {
                let options = pool.connect_options().as_ref().clone().synchronous(SqliteSynchronous::Full);
                let pool: SqlitePool = PoolOptions::new().max_connections(1).connect_with(options).await?;
                sqlx::raw_sql("DROP TABLE IF EXISTS bare; CREATE TABLE bare (id INTEGER PRIMARY KEY, body BLOB)")
                    .execute(&pool)
                    .await?;
                Pool::Sqlite(pool)
            }
            Beside::Postgres(pool) => {
                sqlx::raw_sql("DROP TABLE IF EXISTS bare; CREATE TABLE bare (id INTEGER PRIMARY KEY, body BYTEA)")
                    .execute(pool)
                    .await?;
                Pool::Postgres(pool.clone())
            }
        };
        let stored = sizes.each(sizes.stored);
        let endpoint =
            Endpoint { pool, turn: AtomicU32::new(0), stored, answer: noise(sizes.each(sizes.answered)).into() };
        endpoint.fill().await?;
        let router = Router::new().route("/update", post(update)).with_state(Arc::new(endpoint));
        let listener = TcpListener::bind("127.0.0.1:0").await?.into_std()?;
        let address = listener.local_addr()?;
        let serving = server.spawn(async move {
            if let Ok(listener) = TcpListener::from_std(listener) {
                let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
                let _ = axum::serve(listener, router).await;
            }
        });
        Ok(Self { address, message: noise(sizes.each(sizes.sent)), serving })
    }

    /// Posts for so long, on as many connections as devices use.
    pub(crate) async fn run(&self, stage: &Stage, time: Duration) -> Result<Run> {
        let meter = Meter::start(stage).await?;
        let end = SystemClock.now().after(time);
        let mut running = JoinSet::new();
        for _ in 0..CONNECTIONS {
            running.spawn(connection(self.address, self.message.clone(), end));
        }
        let mut all = Said::default();
        while let Some(said) = running.join_next().await {
            all.add(said??);
        }
        meter.stop(stage, all).await
    }

    pub(crate) async fn strike(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }
}

async fn connection(server: SocketAddr, message: Vec<u8>, end: Timestamp) -> Result<Said> {
    let mut connection = Connection::open(server).await?;
    let mut said = Said::default();
    loop {
        let sent_at = SystemClock.now();
        if sent_at >= end {
            return Ok(said);
        }
        let answer = connection.post("/update", "application/octet-stream", &message).await?;
        if answer.status != 200 {
            bail!("the bare endpoint answered {}", answer.status);
        }
        said.waits.push(u64::try_from(SystemClock.now().since(sent_at).as_micros())?);
    }
}

async fn update(State(endpoint): State<Arc<Endpoint>>, _message: Bytes) -> Result<Bytes, StatusCode> {
    endpoint.update().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

impl Endpoint {
    async fn fill(&self) -> Result<()> {
        match &self.pool {
            Pool::Sqlite(pool) => {
                let rows = "WITH RECURSIVE row (id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM row WHERE id < $1 - 1)
                    INSERT INTO bare (id, body) SELECT id, randomblob($2) FROM row";
                sqlx::query(rows).bind(DEVICES).bind(i64::try_from(self.stored)?).execute(pool).await?;
            }
            Pool::Postgres(pool) => {
                let rows = "INSERT INTO bare (id, body) SELECT id, $2 FROM generate_series(0, $1 - 1) AS id";
                sqlx::query(rows).bind(i32::try_from(DEVICES)?).bind(noise(self.stored)).execute(pool).await?;
            }
        }
        Ok(())
    }

    /// One statement, one commit.
    async fn update(&self) -> Result<Bytes> {
        let row = i32::try_from(self.turn.fetch_add(1, Ordering::Relaxed) % DEVICES)?;
        let body = noise(self.stored);
        let sql = "UPDATE bare SET body = $2 WHERE id = $1";
        let changed = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query(sql).bind(row).bind(body).execute(pool).await?.rows_affected(),
            Pool::Postgres(pool) => sqlx::query(sql).bind(row).bind(body).execute(pool).await?.rows_affected(),
        };
        if changed == 1 { Ok(self.answer.clone()) } else { bail!("row {row} is missing") }
    }
}

/// Bytes that no database compresses.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SystemMint::new().fill(&mut bytes);
    bytes
}
