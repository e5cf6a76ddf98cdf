//! Forgets what is finished and old.

use rusqlite::params;
use tidings_core::model::{Counters, Timestamp};

use super::convert::{limit as sql_limit, state, uint};
use super::error::Result;
use super::recipient_index;
use super::totals::add;
use super::writer::Writer;

impl Writer {
    pub fn purge(&mut self, before: Timestamp, now: Timestamp, limit: usize) -> Result<u64> {
        let mut purged = 0;
        for (seq, position, counted) in self.finished(before, now, limit)? {
            for (sql, key) in [
                ("DELETE FROM notifications WHERE seq = ?1", seq),
                ("DELETE FROM contents WHERE position = ?1", position),
                ("DELETE FROM dropped WHERE seq = ?1", seq),
                ("DELETE FROM openings WHERE seq = ?1", seq),
                ("DELETE FROM ended WHERE seq = ?1", seq),
            ] {
                self.connection.prepare_cached(sql)?.execute([key])?;
            }
            self.open_index_changed = true;
            self.open_index.forget_ended(uint(seq));
            add(&mut self.totals.purged, &counted);
            purged += 1;
        }
        recipient_index::forget(&self.connection)?;
        for (sql, moment) in [
            (
                "DELETE FROM idempotency WHERE key IN
                   (SELECT key FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at, key LIMIT ?2)",
                now,
            ),
            (
                "DELETE FROM web_sessions WHERE hash IN
                   (SELECT hash FROM web_sessions WHERE expires_at <= ?1 LIMIT ?2)",
                now,
            ),
            (
                "DELETE FROM account_tokens WHERE id IN
                   (SELECT id FROM account_tokens INDEXED BY account_tokens_by_expiry
                    WHERE expires_at IS NOT NULL AND expires_at <= ?1 LIMIT ?2)",
                now,
            ),
            (
                // What was accepted before may still wait.
                "DELETE FROM endpoints WHERE position IN
                   (SELECT position FROM endpoints INDEXED BY endpoints_by_end
                    WHERE coalesce(revoked_at, expires_at) < ?1
                       AND NOT EXISTS (SELECT 1 FROM notifications INDEXED BY open_by_endpoint
                                       WHERE open = 1 AND endpoint IS NOT NULL AND endpoint = endpoints.id)
                    ORDER BY coalesce(revoked_at, expires_at), position LIMIT ?2)",
                before,
            ),
            (
                "DELETE FROM invitations WHERE position IN
                   (SELECT position FROM invitations WHERE expires_at < ?1 ORDER BY expires_at, position LIMIT ?2)",
                before,
            ),
            (
                "DELETE FROM audit WHERE position IN
                   (SELECT position FROM audit WHERE at < ?1 ORDER BY position LIMIT ?2)",
                before,
            ),
        ] {
            let rows = self.connection.prepare_cached(sql)?.execute(params![moment.0, sql_limit(limit)])?;
            purged += rows as u64;
        }
        Ok(purged)
    }

    /// Notifications accepted before `before` that are pending for no account: their numbers and
    /// what they counted. They are accepted in order, so the first that is neither old nor from
    /// after `now` ends the walk. What is from after `now` was accepted while the clock was ahead;
    /// once something old comes behind it, it is old, too.
    fn finished(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<Vec<(i64, i64, Counters)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, position, created_at, state, open, recipients, delivered, opened, expired, cancelled
             FROM notifications ORDER BY position",
        )?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        let mut ahead = Vec::new();
        while found.len() < limit
            && let Some(row) = rows.next()?
        {
            let created_at = Timestamp(row.get(2)?);
            if created_at >= before && created_at <= now {
                break;
            }
            if created_at < before {
                found.append(&mut ahead);
            }
            if row.get::<_, i64>(3)? == state::SCHEDULED || row.get(4)? {
                continue;
            }
            let counters = Counters {
                recipients: uint(row.get(5)?),
                delivered: uint(row.get(6)?),
                opened: uint(row.get(7)?),
                expired: uint(row.get(8)?),
                cancelled: uint(row.get(9)?),
            };
            let finished = (row.get(0)?, row.get(1)?, counters);
            if created_at < before {
                found.push(finished);
            } else if ahead.len() < limit {
                ahead.push(finished);
            }
        }
        found.truncate(limit);
        Ok(found)
    }
}
