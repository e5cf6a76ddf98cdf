//! Between SQLite's values and the product's words.

use tidings_core::model::{
    Counters, EndpointId, InvalidName, NamePattern, NotificationId, NotificationState, Priority, Topic,
    Username,
};

use super::error::{Error, Result};

/// SQLite's integers have a sign; ours that are stored there never need the last bit.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// `limit` for SQL.
pub(super) fn limit(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn id_bytes(id: NotificationId) -> [u8; 16] {
    id.0.to_be_bytes()
}

pub(super) fn id_from(bytes: [u8; 16]) -> NotificationId {
    NotificationId(u128::from_be_bytes(bytes))
}

pub(super) fn endpoint_bytes(id: EndpointId) -> [u8; 16] {
    id.0.to_be_bytes()
}

pub(super) fn endpoint_from(bytes: [u8; 16]) -> EndpointId {
    EndpointId(u128::from_be_bytes(bytes))
}

pub(super) fn username(text: &str) -> Result<Username> {
    Username::parse(text).map_err(|_| Error::corrupt("username"))
}

pub(super) fn topic(text: &str) -> Result<Topic> {
    Topic::parse(text).map_err(|_| Error::corrupt("topic"))
}

pub(super) fn priority(index: i64) -> Result<Priority> {
    let index = usize::try_from(index).ok();
    index.and_then(Priority::from_index).ok_or_else(|| Error::corrupt("priority"))
}

/// Patterns as they are stored: a JSON array.
pub(super) fn patterns_json(patterns: &[NamePattern]) -> String {
    // Strings alone: this cannot fail.
    let texts: Vec<String> = patterns.iter().map(NamePattern::to_string).collect();
    serde_json::to_string(&texts).unwrap_or_default()
}

pub(super) fn topic_patterns(json: &str) -> Result<Vec<NamePattern>> {
    patterns(json, NamePattern::of_topics)
}

pub(super) fn user_patterns(json: &str) -> Result<Vec<NamePattern>> {
    patterns(json, NamePattern::of_users)
}

fn patterns(
    json: &str,
    parse: impl Fn(&str) -> std::result::Result<NamePattern, InvalidName>,
) -> Result<Vec<NamePattern>> {
    let texts: Vec<String> = serde_json::from_str(json).map_err(|_| Error::corrupt("pattern"))?;
    texts.iter().map(|text| parse(text).map_err(|_| Error::corrupt("pattern"))).collect()
}

/// `notifications.state`.
pub(super) mod state {
    pub const SCHEDULED: i64 = 0;
    pub const LIVE: i64 = 1;
    pub const EXPIRED: i64 = 2;
    pub const CANCELLED: i64 = 3;
    /// Cancelled before its release: it never had a [`Seq`](tidings_core::model::Seq).
    pub const WITHDRAWN: i64 = 4;
}

/// Where a notification stands: its `state`, whether a newer one `replaced` copies of it, and what it
/// has counted.
pub(super) fn state_from(number: i64, replaced: bool, counters: &Counters) -> Result<NotificationState> {
    let withdrawn = replaced || number == state::CANCELLED;
    match number {
        state::SCHEDULED => Ok(NotificationState::Scheduled),
        state::LIVE | state::EXPIRED | state::CANCELLED => {
            Ok(NotificationState::of_released(counters, withdrawn))
        }
        state::WITHDRAWN => Ok(NotificationState::Cancelled),
        _ => Err(Error::corrupt("state")),
    }
}

/// Whether a notification in this state was released.
pub(super) fn released(number: i64) -> bool {
    matches!(number, state::LIVE | state::EXPIRED | state::CANCELLED)
}

/// `queue.collapse`: finds candidates; the key itself decides.
/// FNV-1a, because the value is stored and must never change.
pub(super) fn key_hash(key: &str) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in key.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    i64::from_ne_bytes(hash.to_ne_bytes())
}
