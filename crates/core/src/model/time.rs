//! Moments, and how they are written.

use std::fmt;
use std::time::Duration;

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The first moment that RFC 3339 can write: 0000-01-01T00:00:00Z.
    pub const FIRST: Self = Self(-62_167_219_200_000);
    /// The last moment that RFC 3339 can write: 9999-12-31T23:59:59.999Z.
    pub const LAST: Self = Self(253_402_300_799_999);

    /// Whether RFC 3339 can write it, in UTC.
    pub fn can_be_written(self) -> bool {
        (Self::FIRST..=Self::LAST).contains(&self)
    }

    /// Reads an RFC 3339 date and time with an offset. The offset may put it a few hours
    /// [beyond what can be written](Self::can_be_written).
    pub fn parse(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(Self::from)
    }

    /// Milliseconds since the epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// This moment plus `span`, at most the last one that can be written.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The second that this moment falls in: clients on the wire expect no fraction.
    #[must_use]
    pub fn whole_seconds(self) -> Self {
        Self(self.0.div_euclid(1000) * 1000)
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(at: OffsetDateTime) -> Self {
        Self(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
    }
}

/// RFC 3339 in UTC with `Z`; milliseconds only where there are any. What cannot be written, a damaged
/// row's, is shown as the nearest that can: an error here would be a panic in `to_string`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = (*self).clamp(Self::FIRST, Self::LAST);
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(shown.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )?;
        match at.millisecond() {
            0 => f.write_str("Z"),
            ms => write!(f, ".{ms:03}Z"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_can_be_shown() {
        for (moment, shown) in [
            (Timestamp(0), "1970-01-01T00:00:00Z"),
            (Timestamp(1), "1970-01-01T00:00:00.001Z"),
            (Timestamp::FIRST, "0000-01-01T00:00:00Z"),
            (Timestamp::LAST, "9999-12-31T23:59:59.999Z"),
            (Timestamp(Timestamp::LAST.0 + 1), "9999-12-31T23:59:59.999Z"),
            (Timestamp(i64::MAX), "9999-12-31T23:59:59.999Z"),
            (Timestamp(Timestamp::FIRST.0 - 1), "0000-01-01T00:00:00Z"),
            (Timestamp(i64::MIN), "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(moment.to_string(), shown, "{}", moment.0);
        }
    }

    #[test]
    fn what_can_be_written_can_be_read() {
        for moment in [Timestamp::FIRST, Timestamp::LAST, Timestamp(1_767_323_045_678)] {
            assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
        }
        let beyond = Timestamp::parse("9999-12-31T23:59:59-01:00").unwrap();
        assert!(!beyond.can_be_written(), "{}", beyond.0);
        let before = Timestamp::parse("0000-01-01T00:00:00+01:00").unwrap();
        assert!(!before.can_be_written(), "{}", before.0);
    }
}
