//! When a device may be bothered: not before a moment, and in windows that open by the clock on its wall.
//!
//! A window opens at each time that its cron expression names in its time zone, and stays open for so many minutes. Where the clock
//! jumps forward over such a time, it opens at the jump; where the clock is set back and the time comes twice, it opens the first
//! time. The rules of time zones are those that were compiled in, so that every replica means the same moment.

mod cron;

use std::{fmt, str::FromStr, sync::LazyLock, time::Duration};

use jiff::{
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

pub use cron::{BadCron, Cron};

use crate::model::clock::Timestamp;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// When a job may begin something on its device (contract "Request", `schedule`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schedule {
    /// Nothing is begun earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Nothing is begun outside; absent: at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// Hours that come again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// When it opens.
    pub cron: Cron,
    /// How long it stays open, in minutes; see [`Window::MOST_MINUTES`].
    pub minutes: u32,
    /// Whose clock.
    pub time_zone: Zone,
}

/// A time zone of the IANA database.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// A text that names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time zone; write a name of the IANA database such as `Europe/Paris` or `UTC`")]
pub struct NoZone(String);

impl Schedule {
    /// Whether it allows every moment.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        self.not_before.is_none() && self.window.is_none()
    }

    /// Whether something may be begun now.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|at| at <= now) && self.window.as_ref().is_none_or(|window| window.is_open(now))
    }

    /// The first moment from `from` on at which something may be begun, if one comes before `end`.
    #[must_use]
    pub fn opens(&self, from: Timestamp, end: Timestamp) -> Option<Timestamp> {
        let from = self.not_before.map_or(from, |at| at.max(from));
        let at = match &self.window {
            Some(window) if !window.is_open(from) => window.next(from, end)?,
            Some(_) | None => from,
        };
        (at < end).then_some(at)
    }
}

impl fmt::Display for Schedule {
    /// As a sentence about a job has it, behind "it waits for".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.window, self.not_before) {
            (Some(window), _) => write!(f, "its window ({window})"),
            (None, Some(at)) => write!(f, "the time from which its request allows it, {at}"),
            (None, None) => f.write_str("nothing"),
        }
    }
}

impl Window {
    /// The longest that a window may stay open: a week.
    pub const MOST_MINUTES: u32 = 7 * 24 * 60;

    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        const INSTANT: Duration = Duration::from_micros(1);
        let span = Duration::from_mins(u64::from(self.minutes));
        self.next(now.before(span).after(INSTANT), now.after(INSTANT)).is_some()
    }

    /// When it opens the next time from `from` on, if that is before `end`.
    fn next(&self, from: Timestamp, end: Timestamp) -> Option<Timestamp> {
        let rules = &self.time_zone.rules;
        let here = jiff::Timestamp::from_microsecond(from.micros()).ok()?.to_zoned(rules.clone());
        // From the day before: where the clock jumps over midnight, or over a day, the times of that day come with the next.
        let mut day = here.date().yesterday().ok()?;
        while instant(rules, day.at(0, 0, 0, 0))? < end {
            let hours = self.cron.hours().filter(|_| self.cron.is_on(day));
            for hour in hours {
                if instant(rules, day.at(hour, 59, 0, 0))? < from {
                    continue;
                }
                for minute in self.cron.minutes() {
                    let at = instant(rules, day.at(hour, minute, 0, 0))?;
                    if at >= from {
                        return (at < end).then_some(at);
                    }
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cron, minutes, time_zone } = self;
        write!(f, "`{cron}` {}, {minutes} minutes", time_zone.name)
    }
}

/// The moment at which the clock shows this: the first, if it does twice; that of the jump, if it does not.
fn instant(rules: &TimeZone, time: DateTime) -> Option<Timestamp> {
    let at = match rules.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(time).ok()?,
        AmbiguousOffset::Gap { after, .. } => {
            let earlier = after.to_timestamp(time).ok()?;
            rules.following(earlier).next()?.timestamp()
        }
    };
    Some(Timestamp::from_micros(at.as_microsecond()))
}

impl Zone {
    /// The name, as the database spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl FromStr for Zone {
    type Err = NoZone;

    fn from_str(text: &str) -> Result<Self, NoZone> {
        let unknown = || NoZone(text.chars().take(64).collect());
        let rules = ZONES.get(text).map_err(|_| unknown())?;
        let name = rules.iana_name().ok_or_else(unknown)?.to_owned();
        Ok(Self { name, rules })
    }
}

impl TryFrom<String> for Zone {
    type Error = NoZone;

    fn try_from(text: String) -> Result<Self, NoZone> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn window(cron: &str, minutes: u32, zone: &str) -> Window {
        Window { cron: cron.parse().unwrap(), minutes, time_zone: zone.parse().unwrap() }
    }

    /// The next `count` openings, in UTC.
    fn openings(window: &Window, from: &str, count: usize) -> Vec<String> {
        let (mut from, mut found) = (at(from), Vec::new());
        while found.len() < count {
            let next = window.next(from, at("2100-01-01T00:00:00Z")).unwrap();
            found.push(next.to_string());
            from = next.after(Duration::from_micros(1));
        }
        found
    }

    #[test]
    fn a_window_opens_by_the_clock_on_the_wall() {
        let night = window("0 2 * * *", 120, "Europe/Paris");
        assert_eq!(
            openings(&night, "2026-07-01T00:00:00.000001Z", 2),
            ["2026-07-02T00:00:00Z", "2026-07-03T00:00:00Z"]
        );
        assert_eq!(openings(&night, "2026-12-01T00:00:00Z", 1), ["2026-12-01T01:00:00Z"]);
        let workdays = window("30 22 * * mon-fri", 60, "America/New_York");
        assert_eq!(
            openings(&workdays, "2026-11-27T00:00:00Z", 3),
            ["2026-11-27T03:30:00Z", "2026-11-28T03:30:00Z", "2026-12-01T03:30:00Z"]
        );
    }

    #[test]
    fn it_is_open_from_its_opening_until_its_minutes_are_over() {
        let night = window("0 2 * * *", 120, "Europe/Paris");
        for (moment, open) in [
            ("2026-12-01T00:59:59.999999Z", false),
            ("2026-12-01T01:00:00Z", true),
            ("2026-12-01T02:59:59.999999Z", true),
            ("2026-12-01T03:00:00Z", false),
        ] {
            assert_eq!(night.is_open(at(moment)), open, "{moment}");
        }
        let week = window("0 0 * * mon", Window::MOST_MINUTES, "UTC");
        assert!(week.is_open(at("2026-11-29T23:59:59Z")), "a week later the next one opens");
    }

    #[test]
    fn a_time_that_the_clock_jumps_over_opens_at_the_jump() {
        // Paris, 29 March 2026: 02:00 becomes 03:00, at 01:00 UTC.
        assert_eq!(
            openings(&window("30 2 * * *", 10, "Europe/Paris"), "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            openings(&window("*/30 2,3 * * *", 10, "Europe/Paris"), "2026-03-28T12:00:00Z", 3),
            ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"],
            "several such times are one opening"
        );
        // Cairo, 24 April 2026: midnight becomes one o'clock, at 22:00 UTC of the day before.
        assert_eq!(
            openings(&window("0 0 * * *", 10, "Africa/Cairo"), "2026-04-23T12:00:00Z", 2),
            ["2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"]
        );
        // Samoa had no 30 December 2011.
        assert_eq!(
            openings(&window("0 12 30 12 *", 10, "Pacific/Apia"), "2011-12-30T10:00:00Z", 1),
            ["2011-12-30T10:00:00Z"],
            "a day that is left out ends where the next begins"
        );
    }

    #[test]
    fn a_time_that_comes_twice_opens_the_first_time() {
        // Paris, 25 October 2026: at 01:00 UTC the clock is set back from 03:00 to 02:00.
        let window = window("30 2 * * *", 30, "Europe/Paris");
        assert_eq!(openings(&window, "2026-10-24T12:00:00Z", 2), ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        assert!(window.is_open(at("2026-10-25T00:45:00Z")));
        assert!(!window.is_open(at("2026-10-25T01:45:00Z")), "half past two for the second time");
        assert_eq!(openings(&window, "2026-10-25T01:15:00Z", 1), ["2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn every_opening_is_found_from_everywhere_within_the_year() {
        // Held against going through every minute of two days around each change of the clock.
        for (zone, from, to) in [
            ("Europe/Paris", "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z"),
            ("Europe/Paris", "2026-10-24T00:00:00Z", "2026-10-26T00:00:00Z"),
            ("Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-06T00:00:00Z"),
            ("Asia/Kolkata", "2026-04-04T00:00:00Z", "2026-04-06T00:00:00Z"),
        ] {
            let window = window("*/15 1,2,3 * * *", 1, zone);
            let end = at(to);
            let (mut now, mut last) = (at(from), None);
            while now < end {
                let next = window.next(now, end);
                assert!(
                    next.is_none_or(|next| next >= now && Some(next) >= last),
                    "{zone} {now}: {next:?} after {last:?}"
                );
                assert_eq!(window.is_open(now), next == Some(now), "{zone} {now}");
                last = next.or(last);
                now = now.after(Duration::from_mins(1));
            }
        }
    }

    #[test]
    fn a_window_that_does_not_open_in_time_never_opens() {
        let never = window("0 0 30 2 *", 60, "UTC");
        assert_eq!(never.next(at("2026-01-01T00:00:00Z"), at("2036-01-01T00:00:00Z")), None);
        let leap = window("0 0 29 2 *", 60, "UTC");
        assert_eq!(leap.next(at("2026-01-01T00:00:00Z"), at("2028-02-29T00:00:00Z")), None);
        assert!(leap.next(at("2026-01-01T00:00:00Z"), at("2028-02-29T00:00:01Z")).is_some());
    }

    #[test]
    fn a_schedule_opens_when_both_its_parts_allow_it() {
        let end = at("2030-01-01T00:00:00Z");
        let free = Schedule::default();
        assert!(free.is_free() && free.is_open(Timestamp::default()));
        assert_eq!(free.opens(at("2026-01-01T00:00:00Z"), end), Some(at("2026-01-01T00:00:00Z")));
        let not_before = Some(at("2026-06-01T12:00:00Z"));
        let later = Schedule { not_before, window: None };
        assert!(!later.is_open(at("2026-06-01T11:59:59Z")) && later.is_open(at("2026-06-01T12:00:00Z")));
        assert_eq!(later.opens(at("2026-01-01T00:00:00Z"), end), not_before);
        let both = Schedule { not_before, window: Some(window("0 11 * * *", 120, "UTC")) };
        assert_eq!(both.opens(at("2026-01-01T00:00:00Z"), end), not_before, "in the midst of a window");
        assert!(!both.is_open(at("2026-05-31T11:30:00Z")));
        assert_eq!(both.opens(at("2026-06-01T14:00:00Z"), end), Some(at("2026-06-02T11:00:00Z")));
        assert_eq!(both.opens(at("2029-12-31T14:00:00Z"), end), None);
    }

    #[test]
    fn a_zone_is_a_name_of_the_database() {
        assert_eq!("europe/paris".parse::<Zone>().unwrap().as_str(), "Europe/Paris");
        assert_eq!("UTC".parse::<Zone>().unwrap().as_str(), "UTC");
        for wrong in ["", "Europe/Atlantis", "+02:00", "../etc/passwd", "local"] {
            assert!(wrong.parse::<Zone>().is_err(), "{wrong}");
        }
        let stored = serde_json::to_value(window("0 2 * * *", 120, "Europe/Paris")).unwrap();
        assert_eq!(stored, serde_json::json!({ "cron": "0 2 * * *", "minutes": 120, "time_zone": "Europe/Paris" }));
        assert_eq!(serde_json::from_value::<Window>(stored).unwrap(), window("0 2 * * *", 120, "Europe/Paris"));
    }
}
