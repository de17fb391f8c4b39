//! The time of day as text, in UTC. The calendar is worked out here; no crate is needed for that.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `20261122T171559Z`: sorts as text, and fits in a file name.
pub fn utc_stamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default();
    let (year, month, day) = date(seconds / 86_400);
    let rest = seconds % 86_400;
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// The moment of such a stamp.
pub fn parse_stamp(stamp: &str) -> Option<SystemTime> {
    let number = |from: usize, to: usize| stamp.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let time = number(9, 11)? * 3600 + number(11, 13)? * 60 + number(13, 15)?;
    // As in `date`, the other way round.
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let days = (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)?;
    Some(UNIX_EPOCH + Duration::from_secs(days * 86_400 + time))
}

/// `2026-11-22`.
pub fn utc_date(time: SystemTime) -> String {
    let stamp = utc_stamp(time);
    format!("{}-{}-{}", &stamp[..4], &stamp[4..6], &stamp[6..8])
}

/// `2026-11-22T17:15:59Z`.
pub fn utc_moment(time: SystemTime) -> String {
    format!("{}T{}", utc_date(time), utc_time(time))
}

/// `17:15:59Z`, for lines that are read as they appear.
pub fn utc_time(time: SystemTime) -> String {
    let stamp = utc_stamp(time);
    format!("{}:{}:{}Z", &stamp[9..11], &stamp[11..13], &stamp[13..15])
}

/// `3 min`, `2 days`: how long something took, or is there.
pub fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Days since 1970 to a date. Years are counted from March, so that the leap day comes last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (seconds, expected) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(utc_stamp(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
            assert_eq!(parse_stamp(expected), Some(UNIX_EPOCH + Duration::from_secs(seconds)));
        }
        assert_eq!(utc_time(UNIX_EPOCH + Duration::from_secs(951_782_399)), "23:59:59Z");
        assert_eq!(utc_date(UNIX_EPOCH + Duration::from_secs(951_782_399)), "2000-02-28");
    }
}
