//! The presence manager: availability, last seen, what the console and
//! `/v1/events` show.

/// See the [module's documentation](self).
pub struct PresenceManager {}
