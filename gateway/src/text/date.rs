//! Dates for chat templates that tell the model what day it is. UTC; knows no clock.

/// Formats a time as `strftime` does.
///
/// - `unix_seconds`: seconds since 1970-01-01T00:00:00 UTC.
/// - Errors: the directive that is not known.
pub(super) fn strftime(format: &str, unix_seconds: u64) -> Result<String, String> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let (days, second_of_day) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    let date = Date::of(days);
    let month = MONTHS[date.month as usize - 1];
    let weekday = DAYS[(days % 7) as usize];
    let hour_12 = (hour + 11) % 12 + 1;

    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        let directive = chars.next();
        let padded = directive != Some('-');
        let directive = if padded { directive } else { chars.next() };
        let number = |value: u64, width: usize| {
            if padded { format!("{value:0width$}") } else { value.to_string() }
        };
        out += &match directive {
            Some('Y') => date.year.to_string(),
            Some('y') => number(date.year % 100, 2),
            Some('m') => number(date.month, 2),
            Some('d') => number(date.day, 2),
            Some('e') => format!("{:2}", date.day),
            Some('j') => number(date.day_of_year, 3),
            Some('H') => number(hour, 2),
            Some('I') => number(hour_12, 2),
            Some('M') => number(minute, 2),
            Some('S') => number(second, 2),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('B') => month.to_owned(),
            Some('b' | 'h') => month[..3].to_owned(),
            Some('A') => weekday.to_owned(),
            Some('a') => weekday[..3].to_owned(),
            Some('F') => format!("{:04}-{:02}-{:02}", date.year, date.month, date.day),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('Z') => "UTC".to_owned(),
            Some('z') => "+0000".to_owned(),
            Some('%') => "%".to_owned(),
            other => {
                return Err(format!(
                    "strftime_now: unknown directive `%{}`",
                    other.map_or(String::new(), String::from)
                ));
            }
        };
    }
    Ok(out)
}

struct Date {
    year: u64,
    /// From 1.
    month: u64,
    /// From 1.
    day: u64,
    /// From 1.
    day_of_year: u64,
}

impl Date {
    /// The date `days` after 1970-01-01.
    fn of(days: u64) -> Self {
        let mut left = days;
        let mut year = 1970;
        while left >= days_of_year(year) {
            left -= days_of_year(year);
            year += 1;
        }
        let day_of_year = left + 1;
        let mut month = 1;
        while left >= days_of_month(year, month) {
            left -= days_of_month(year, month);
            month += 1;
        }
        Self { year, month, day: left + 1, day_of_year }
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_print_as_strftime_prints_them() {
        let check = |seconds, expected: &str| {
            assert_eq!(strftime("%a %d %B %Y %H:%M:%S day %j", seconds).unwrap(), expected);
        };
        check(0, "Thu 01 January 1970 00:00:00 day 001");
        check(951_827_696, "Tue 29 February 2000 12:34:56 day 060");
        check(4_107_542_399, "Sun 28 February 2100 23:59:59 day 059");
        check(4_107_542_400, "Mon 01 March 2100 00:00:00 day 060");
        assert_eq!(strftime("%-d %b %I%p 100%%", 0).unwrap(), "1 Jan 12AM 100%");
        assert!(strftime("%Q", 0).is_err());
    }
}
