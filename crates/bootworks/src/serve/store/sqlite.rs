//! The shelf in one SQLite file: write-ahead log, so that `boxes` reads while the server writes.

use super::shelf::{Batch, Later, Remembered, ReportMark, Shelf, Unreadable};
use model::failure::{Explain as _, Failure, Result};
use model::timeline::{Entry, Event, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{Connection as _, QueryBuilder, Row as _, Sqlite};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_stream::StreamExt as _;
use wire::dhcp::server::leases::{Lease, State};
use wire::mac::Mac;

/// Name of the file in the state folder.
pub(crate) const FILE: &str = "timeline.sqlite";

/// Rows written by one statement: each statement waits for SQLite's thread to be scheduled, twice.
const ROWS: usize = 256;

/// What made the file what it is, oldest first; SQLite's `user_version` says how many of them it has seen.
const MIGRATIONS: &[&str] = &[include_str!("timeline.sql")];

/// One SQLite file. Two connections: a long read never holds up a commit.
pub(crate) struct SqliteShelf {
    file: PathBuf,
    writer: Mutex<SqliteConnection>,
    reader: Mutex<SqliteConnection>,
}

impl SqliteShelf {
    /// Opens the file in this folder, making both where they are missing.
    pub(crate) async fn open(folder: &Path) -> Result<SqliteShelf> {
        std::fs::create_dir_all(folder).or_fail(|| format!("cannot make the folder {}", folder.display()))?;
        let file = folder.join(FILE);
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A box throws away what the server said it has: after a power cut it must be there.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let refuse = || format!("cannot open the timeline store {}", file.display());
        let mut writer = SqliteConnection::connect_with(&options).await.or_fail(refuse)?;
        migrate(&mut writer).await.map_err(|failure| failure.doing(format!("opening {}", file.display())))?;
        let reader =
            SqliteConnection::connect_with(&options.clone().read_only(true)).await.or_fail(refuse)?;
        Ok(SqliteShelf { file, writer: Mutex::new(writer), reader: Mutex::new(reader) })
    }

    /// Opens the file of this folder for reading only; `None` where there is none yet.
    pub(crate) async fn read(folder: &Path) -> Result<Option<SqliteShelf>> {
        let file = folder.join(FILE);
        if !file.exists() {
            return Ok(None);
        }
        // Without a write-ahead log beside it nobody writes, and SQLite need not make one: a reader without
        // write permission in the folder could not (sqlite.org/wal.html §5, read-only databases).
        let log = folder.join(format!("{FILE}-wal"));
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .read_only(true)
            .immutable(!log.exists())
            .busy_timeout(Duration::from_secs(10));
        let refuse = || format!("cannot open the timeline store {}", file.display());
        let first = SqliteConnection::connect_with(&options).await.or_fail(refuse)?;
        let second = SqliteConnection::connect_with(&options).await.or_fail(refuse)?;
        Ok(Some(SqliteShelf { file, writer: Mutex::new(first), reader: Mutex::new(second) }))
    }

    fn refuse(&self, doing: &str) -> String {
        format!("cannot {doing} the timeline store {}", self.file.display())
    }

    async fn write(&self, batch: &Batch) -> sqlx::Result<()> {
        let mut writer = self.writer.lock().await;
        let mut transaction = writer.begin().await?;
        for entries in batch.entries.chunks(ROWS) {
            let mut events = Vec::with_capacity(entries.len());
            for entry in entries {
                let event = serde_json::to_string(&entry.event);
                events.push((entry, event.map_err(|error| sqlx::Error::Encode(error.into()))?));
            }
            QueryBuilder::<Sqlite>::new("INSERT INTO entry (sequence, at, box, event) ")
                .push_values(events, |mut row, (entry, event)| {
                    row.push_bind(signed(entry.sequence)).push_bind(signed(entry.at.0));
                    row.push_bind(entry.of.to_string()).push_bind(event);
                })
                .build()
                .execute(&mut *transaction)
                .await?;
        }
        for mark in &batch.marks {
            sqlx::query("INSERT OR REPLACE INTO report (box, boot, next, at) VALUES (?, ?, ?, ?)")
                .bind(mark.of.to_string())
                .bind(&mark.boot)
                .bind(signed(mark.next))
                .bind(signed(mark.at.0))
                .execute(&mut *transaction)
                .await?;
        }
        for leases in batch.leases.chunks(ROWS) {
            QueryBuilder::<Sqlite>::new("INSERT OR REPLACE INTO lease (box, address, until, taken) ")
                .push_values(leases, |mut row, lease| {
                    row.push_bind(lease.mac.to_string()).push_bind(lease.address.to_string());
                    row.push_bind(i64::try_from(lease.until.as_millis()).unwrap_or(i64::MAX));
                    row.push_bind(lease.state == State::Taken);
                })
                .build()
                .execute(&mut *transaction)
                .await?;
        }
        for (of, question, answer) in &batch.answers {
            sqlx::query("INSERT OR REPLACE INTO answer (box, question, answer) VALUES (?, ?, ?)")
                .bind(of.to_string())
                .bind(question)
                .bind(answer)
                .execute(&mut *transaction)
                .await?;
        }
        for (of, boot) in &batch.confirmations {
            sqlx::query("INSERT OR REPLACE INTO confirmation (box, boot) VALUES (?, ?)")
                .bind(of.to_string())
                .bind(boot)
                .execute(&mut *transaction)
                .await?;
        }
        for of in &batch.forgotten {
            sqlx::query("DELETE FROM answer WHERE box = ?")
                .bind(of.to_string())
                .execute(&mut *transaction)
                .await?;
            sqlx::query("DELETE FROM confirmation WHERE box = ?")
                .bind(of.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        for (of, at, record) in &batch.records {
            sqlx::query("INSERT OR REPLACE INTO record (box, at, record) VALUES (?, ?, ?)")
                .bind(of.to_string())
                .bind(signed(at.0))
                .bind(record)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    async fn recall(&self) -> sqlx::Result<Remembered> {
        let mut reader = self.reader.lock().await;
        let mut remembered = Remembered::default();
        // Oldest first, so that the last mark of a box is its current boot.
        for row in
            sqlx::query("SELECT box, boot, next, at FROM report ORDER BY at").fetch_all(&mut *reader).await?
        {
            remembered.marks.push(ReportMark {
                of: parsed(&row, 0)?,
                boot: row.try_get(1)?,
                next: unsigned(&row, 2)?,
                at: Timestamp(unsigned(&row, 3)?),
            });
        }
        for row in sqlx::query("SELECT box, address, until, taken FROM lease").fetch_all(&mut *reader).await?
        {
            remembered.leases.push(Lease {
                mac: parsed(&row, 0)?,
                address: parsed(&row, 1)?,
                until: Duration::from_millis(unsigned(&row, 2)?),
                state: if row.try_get(3)? { State::Taken } else { State::Offered },
            });
        }
        for row in sqlx::query("SELECT box, question, answer FROM answer").fetch_all(&mut *reader).await? {
            remembered.answers.push((parsed(&row, 0)?, row.try_get(1)?, row.try_get(2)?));
        }
        for row in sqlx::query("SELECT box, boot FROM confirmation").fetch_all(&mut *reader).await? {
            remembered.confirmations.push((parsed(&row, 0)?, row.try_get(1)?));
        }
        Ok(remembered)
    }

    async fn walk(
        &self,
        of: Option<Mac>,
        after: u64,
        each: &mut (dyn FnMut(Entry) + Send),
    ) -> sqlx::Result<Unreadable> {
        let mut reader = self.reader.lock().await;
        let query = match of {
            Some(of) => sqlx::query(
                "SELECT sequence, at, box, event FROM entry WHERE sequence > ? AND box = ? ORDER BY sequence",
            )
            .bind(signed(after))
            .bind(of.to_string()),
            None => {
                sqlx::query("SELECT sequence, at, box, event FROM entry WHERE sequence > ? ORDER BY sequence")
                    .bind(signed(after))
            }
        };
        let mut unreadable = Unreadable::default();
        let mut rows = query.fetch(&mut *reader);
        while let Some(row) = rows.next().await {
            let row = row?;
            match serde_json::from_str::<Event>(row.try_get(3)?) {
                Ok(event) => each(Entry {
                    sequence: unsigned(&row, 0)?,
                    at: Timestamp(unsigned(&row, 1)?),
                    of: parsed(&row, 2)?,
                    event,
                }),
                Err(_) => unreadable.0 += 1,
            }
        }
        Ok(unreadable)
    }
}

impl Shelf for SqliteShelf {
    fn commit<'a>(&'a self, batch: &'a Batch) -> Later<'a, ()> {
        Box::pin(async { self.write(batch).await.or_fail(|| self.refuse("write to")) })
    }

    fn remembered(&self) -> Later<'_, Remembered> {
        Box::pin(async { self.recall().await.or_fail(|| self.refuse("read")) })
    }

    fn entries<'a>(
        &'a self,
        of: Option<Mac>,
        after: u64,
        each: &'a mut (dyn FnMut(Entry) + Send),
    ) -> Later<'a, Unreadable> {
        Box::pin(async move { self.walk(of, after, each).await.or_fail(|| self.refuse("read")) })
    }

    fn record(&self, of: Mac) -> Later<'_, Option<String>> {
        Box::pin(async move {
            let mut reader = self.reader.lock().await;
            sqlx::query_scalar("SELECT record FROM record WHERE box = ?")
                .bind(of.to_string())
                .fetch_optional(&mut *reader)
                .await
                .or_fail(|| self.refuse("read"))
        })
    }
}

async fn migrate(connection: &mut SqliteConnection) -> Result<()> {
    let seen: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *connection)
        .await
        .or_fail(|| "cannot read the version of the timeline store".into())?;
    let seen = usize::try_from(seen).unwrap_or(usize::MAX);
    if seen > MIGRATIONS.len() {
        return Err(Failure::new("the timeline store is of a newer bootworks")
            .because(format!("it is of version {seen}, this program knows {}", MIGRATIONS.len()))
            .hint("serve it with that bootworks, or with another `--state` folder"));
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(seen) {
        let text = format!("BEGIN IMMEDIATE;\n{migration}\nPRAGMA user_version = {};\nCOMMIT;", index + 1);
        sqlx::raw_sql(sqlx::AssertSqlSafe(text))
            .execute(&mut *connection)
            .await
            .or_fail(|| format!("cannot bring the timeline store to version {}", index + 1))?;
    }
    Ok(())
}

/// SQLite's integers are signed; times and sequences stay far below the sign.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(row: &SqliteRow, column: usize) -> sqlx::Result<u64> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn parsed<T>(row: &SqliteRow, column: usize) -> sqlx::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(error.into()))
}
