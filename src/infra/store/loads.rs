//! Loads, coalesced, for PostgreSQL: a loader takes whatever questions wait and asks them with one SELECT, as the writers do with
//! units. A question that comes alone is asked at once, and alone.

use std::sync::Arc;

use sqlx::{PgPool, Row};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{
    scene::{Caller, Parts, parts},
    sql::pg::{batch, scene},
};
use crate::model::id::SessionKey;

/// Questions that may wait; who comes then waits to be let in.
const WAITING: usize = 4096;
/// Questions in one SELECT at most.
const TOGETHER: usize = 128;

/// Why a load failed: one failure is told to all who shared it.
pub(super) type Failed = Arc<sqlx::Error>;

/// The loader's end that takes questions in.
#[derive(Clone)]
pub(super) struct Loads {
    door: mpsc::Sender<Question>,
}

/// Who is asked for, and who waits for the answer.
struct Question {
    tenant: String,
    device_norm: String,
    user_name: Option<String>,
    sid: Option<Uuid>,
    dm_session_id: String,
    answer: oneshot::Sender<Result<Option<Parts>, Failed>>,
}

impl Loads {
    /// Starts the loader on the present runtime. It ends when the last question has been answered and nobody can ask any more.
    pub(super) fn start(pool: &PgPool) -> Self {
        let (door, mailbox) = mpsc::channel(WAITING);
        tokio::spawn(run(pool.clone(), mailbox));
        Self { door }
    }

    /// The rows that concern a message; `None` if there is no such device.
    pub(super) async fn parts(&self, caller: Caller<'_>) -> Result<Option<Parts>, Failed> {
        let (answer, answered) = oneshot::channel();
        let question = Question {
            tenant: caller.tenant.as_str().to_owned(),
            device_norm: caller.device_norm.to_owned(),
            user_name: caller.user_name.map(str::to_owned),
            sid: caller.sid.map(SessionKey::uuid),
            dm_session_id: caller.dm_session_id.as_str().to_owned(),
            answer,
        };
        self.door.send(question).await.map_err(|_| Arc::new(sqlx::Error::PoolClosed))?;
        answered.await.unwrap_or_else(|_| Err(Arc::new(sqlx::Error::PoolClosed)))
    }
}

/// One at a time: while it waits for the database, questions gather for the next SELECT.
async fn run(pool: PgPool, mut mailbox: mpsc::Receiver<Question>) {
    loop {
        let mut questions = Vec::new();
        let taken = mailbox.recv_many(&mut questions, TOGETHER).await;
        if taken == 0 {
            return;
        }
        match ask(&pool, &questions).await {
            Ok(answers) => {
                let mut by_user = Vec::new();
                for (question, answer) in questions.into_iter().zip(answers) {
                    if answer.is_none() && question.user_name.is_some() {
                        by_user.push(question);
                    } else {
                        let _ = question.answer.send(Ok(answer)); // who does not wait any more has gone
                    }
                }
                if !by_user.is_empty() {
                    tokio::spawn(one_by_one(pool.clone(), by_user)); // so that the others need not wait for strangers
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for question in questions {
                    let _ = question.answer.send(Err(Arc::clone(&error)));
                }
            }
        }
    }
}

/// Asks for devices that may be known by the name of their user alone.
async fn one_by_one(pool: PgPool, questions: Vec<Question>) {
    for question in questions {
        let answer = alone(&pool, &question).await.map_err(Arc::new);
        let _ = question.answer.send(answer);
    }
}

/// The answers, in the order of the questions; none where no device has the name.
async fn ask(pool: &PgPool, questions: &[Question]) -> sqlx::Result<Vec<Option<Parts>>> {
    if let [question] = questions {
        return alone(pool, question).await.map(|parts| vec![parts]);
    }
    let column = |value: fn(&Question) -> &str| questions.iter().map(value).collect::<Vec<_>>();
    let rows = sqlx::query(batch::SCENES)
        .bind(column(|question| &question.tenant))
        .bind(column(|question| &question.device_norm))
        .bind(questions.iter().map(|question| question.sid).collect::<Vec<_>>())
        .bind(column(|question| &question.dm_session_id))
        .fetch_all(pool)
        .await?;
    let mut answers: Vec<Option<Parts>> = questions.iter().map(|_| None).collect();
    for row in &rows {
        let place: i64 = row.try_get(0)?;
        let at = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
        if let Some(slot) = at.and_then(|at| answers.get_mut(at)) {
            *slot = Some(parts!(row, 1)?);
        }
    }
    Ok(answers)
}

async fn alone(pool: &PgPool, question: &Question) -> sqlx::Result<Option<Parts>> {
    let row = sqlx::query(scene::LOAD)
        .bind(&question.tenant)
        .bind(&question.device_norm)
        .bind(question.user_name.as_deref())
        .bind(question.sid)
        .bind(&question.dm_session_id)
        .fetch_optional(pool)
        .await?;
    row.as_ref().map(|row| parts!(row, 0)).transpose()
}
