//! Cron expressions of five fields: minute, hour, day of the month, month, day of the week.

use std::{fmt, str::FromStr};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The times of a day, and the days, that an expression names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: Days,
}

/// Bits from 0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Days {
    of_month: u64,
    months: u64,
    of_week: u64,
    /// Both kinds of days are restricted: a day of either kind counts.
    either: bool,
}

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCron {
    /// Another number of fields.
    #[error(
        "a cron expression has five fields (minute, hour, day of the month, month, day of the week), this one has {0}"
    )]
    Fields(usize),
    /// Too many bytes.
    #[error("a cron expression has at most {most} bytes, this one has {found}", most = Cron::MOST_BYTES)]
    Long {
        /// How many.
        found: usize,
    },
    /// A part of a field that is nothing known.
    #[error(
        "{field}: {part:?} is none of `*`, a number from {least} to {most}{names}, a range such as `{least}-{most}`"
    )]
    Part {
        /// Which field.
        field: &'static str,
        /// What stands there.
        part: String,
        /// The smallest number.
        least: u32,
        /// The largest.
        most: u32,
        /// How names are told of.
        names: &'static str,
    },
    /// A range that ends before it begins.
    #[error("{field}: the range {part:?} ends before it begins")]
    Backwards {
        /// Which field.
        field: &'static str,
        /// The range.
        part: String,
    },
    /// A step without a range, or of nothing.
    #[error("{field}: in {part:?} a step of 1 to {most} must stand behind `*/` or a range")]
    Step {
        /// Which field.
        field: &'static str,
        /// What stands there.
        part: String,
        /// The largest step.
        most: u32,
    },
}

/// What may stand in a field.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// Names of the numbers from the least on.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MINUTE: Field = Field { name: "minute", least: 0, most: 59, names: &[] };
const HOUR: Field = Field { name: "hour", least: 0, most: 23, names: &[] };
const DAY: Field = Field { name: "day of the month", least: 1, most: 31, names: &[] };
const MONTH: Field = Field { name: "month", least: 1, most: 12, names: &MONTHS };
const WEEKDAY: Field = Field { name: "day of the week", least: 0, most: 7, names: &WEEKDAYS };

impl Cron {
    /// The longest expression in bytes.
    pub const MOST_BYTES: usize = 200;

    /// The expression, its fields one blank apart.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it names times on this day.
    pub(super) fn is_on(&self, day: Date) -> bool {
        let Days { of_month, months, of_week, either } = self.days;
        let has = |bits: u64, number: i8| u32::try_from(number).is_ok_and(|number| bits >> number & 1 == 1);
        let (month_day, weekday) = (has(of_month, day.day()), has(of_week, day.weekday().to_sunday_zero_offset()));
        has(months, day.month()) && if either { month_day || weekday } else { month_day && weekday }
    }

    /// The hours of a day that it names.
    pub(super) fn hours(&self) -> impl Iterator<Item = i8> {
        set(self.hours)
    }

    /// The minutes of such an hour.
    pub(super) fn minutes(&self) -> impl Iterator<Item = i8> {
        set(self.minutes)
    }
}

/// The bits that are set.
fn set(bits: u64) -> impl Iterator<Item = i8> {
    (0_i8..60).filter(move |number| bits >> number & 1 == 1)
}

impl FromStr for Cron {
    type Err = BadCron;

    fn from_str(text: &str) -> Result<Self, BadCron> {
        if text.len() > Self::MOST_BYTES {
            return Err(BadCron::Long { found: text.len() });
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(BadCron::Fields(fields.len()));
        };
        let week = WEEKDAY.read(weekday)?;
        let days = Days {
            of_month: DAY.read(day)?,
            months: MONTH.read(month)?,
            of_week: (week | week >> 7) & 0x7F, // Sunday is 0 and 7
            either: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        Ok(Self { minutes: MINUTE.read(minute)?, hours: HOUR.read(hour)?, days, text: fields.join(" ") })
    }
}

impl Field {
    /// The numbers that a field names, as bits.
    fn read(&self, text: &str) -> Result<u64, BadCron> {
        text.split(',').try_fold(0, |bits, part| Ok(bits | self.part(part)?))
    }

    fn part(&self, part: &str) -> Result<u64, BadCron> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (self.number(from, part)?, self.number(to, part)?),
            None if range == "*" => (self.least, self.most),
            None if step.is_none() => {
                let number = self.number(range, part)?;
                (number, number)
            }
            None => return Err(self.no_step(part)),
        };
        // `fri-sun`: as an end of a week Sunday is 7.
        let to = if self.most == 7 && to == 0 && from > 0 { 7 } else { to };
        if to < from {
            return Err(BadCron::Backwards { field: self.name, part: shorten(part) });
        }
        let step = step.map_or(Ok(1), |step| step.parse().map_err(|_| self.no_step(part)))?;
        if !(1..=self.most).contains(&step) {
            return Err(self.no_step(part));
        }
        let numbers = (from..=to).step_by(usize::try_from(step).unwrap_or(usize::MAX));
        Ok(numbers.fold(0, |bits, number| bits | 1 << number))
    }

    fn number(&self, text: &str, part: &str) -> Result<u32, BadCron> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named.and_then(|place| u32::try_from(place).ok()).map(|place| place.saturating_add(self.least));
        let plain = || text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        named.or_else(plain).filter(|number| (self.least..=self.most).contains(number)).ok_or_else(|| BadCron::Part {
            field: self.name,
            part: shorten(part),
            least: self.least,
            most: self.most,
            names: match self.names {
                [] => "",
                [first, ..] if *first == "jan" => ", a name from `jan` to `dec`",
                _ => ", a name from `sun` to `sat`",
            },
        })
    }

    fn no_step(&self, part: &str) -> BadCron {
        BadCron::Step { field: self.name, part: shorten(part), most: self.most }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

impl TryFrom<String> for Cron {
    type Error = BadCron;

    fn try_from(text: String) -> Result<Self, BadCron> {
        text.parse()
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> Self {
        cron.text
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(text: &str) -> Cron {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn minutes(text: &str) -> Vec<i8> {
        cron(&format!("{text} * * * *")).minutes().collect()
    }

    fn days(text: &str) -> Vec<i8> {
        // November 2026 begins on a Sunday.
        let cron = cron(text);
        (1..=30).filter(|day| cron.is_on(Date::constant(2026, 11, *day))).collect()
    }

    #[test]
    fn a_field_is_a_list_of_numbers_ranges_and_steps() {
        assert_eq!(minutes("*").len(), 60);
        assert_eq!(minutes("7"), [7]);
        assert_eq!(minutes("5,1,5"), [1, 5]);
        assert_eq!(minutes("10-13"), [10, 11, 12, 13]);
        assert_eq!(minutes("*/20"), [0, 20, 40]);
        assert_eq!(minutes("50-59/4,3"), [3, 50, 54, 58]);
        assert_eq!(cron("0 22-23,0 * * *").hours().collect::<Vec<_>>(), [0, 22, 23]);
    }

    #[test]
    fn days_have_numbers_and_names_and_sunday_has_two() {
        assert_eq!(days("0 0 31,2 * *"), [2]);
        for sunday in ["0", "7", "sun", "SUN"] {
            assert_eq!(days(&format!("0 0 * * {sunday}")), [1, 8, 15, 22, 29], "{sunday}");
        }
        assert_eq!(days("0 0 * * fri-sun"), [1, 6, 7, 8, 13, 14, 15, 20, 21, 22, 27, 28, 29]);
        assert_eq!(days("0 0 * nov mon"), [2, 9, 16, 23, 30]);
        assert!(days("0 0 * jan-oct,dec *").is_empty());
    }

    #[test]
    fn of_two_kinds_of_days_that_are_both_named_either_counts() {
        assert_eq!(days("0 0 13 * fri"), [6, 13, 20, 27]);
        assert_eq!(days("0 0 2 * mon"), [2, 9, 16, 23, 30]);
        assert!(days("0 0 */10 * mon").is_empty(), "a field that begins with a star names no days: both count");
    }

    #[test]
    fn what_is_no_expression_is_refused_with_its_field() {
        for (text, says) in [
            ("0 2 * *", "five fields"),
            ("0 2 * * * *", "five fields"),
            ("", "five fields"),
            ("60 2 * * *", "minute: \"60\" is none of `*`, a number from 0 to 59"),
            ("0 24 * * *", "hour: \"24\""),
            ("0 2 0 * *", "day of the month: \"0\""),
            ("0 2 * 13 *", "month: \"13\" is none of `*`, a number from 1 to 12, a name from `jan` to `dec`"),
            ("0 2 * * 8", "day of the week: \"8\""),
            ("0 2 * * monday", "a name from `sun` to `sat`"),
            ("5-1 2 * * *", "the range \"5-1\" ends before it begins"),
            ("1/5 2 * * *", "must stand behind `*/` or a range"),
            ("*/0 2 * * *", "a step of 1 to 59"),
            ("*/x 2 * * *", "a step of 1 to 59"),
            ("1,,2 2 * * *", "minute: \"\""),
            ("-1 2 * * *", "minute: \"-1\""),
            ("+1 2 * * *", "minute: \"+1\""),
            ("@daily", "five fields"),
        ] {
            let error = text.parse::<Cron>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert_eq!(format!("{}* * * * *", " ".repeat(200)).parse::<Cron>(), Err(BadCron::Long { found: 209 }));
    }

    #[test]
    fn an_expression_survives_its_text() {
        let cron = cron("  0  2 * *   MON-fri ");
        assert_eq!(cron.as_str(), "0 2 * * MON-fri");
        let stored = serde_json::to_string(&cron).unwrap();
        assert_eq!(serde_json::from_str::<Cron>(&stored).unwrap(), cron);
    }
}
