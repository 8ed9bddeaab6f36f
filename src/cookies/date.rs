//! Cookie dates, parsed as browsers do: by the shape of the tokens, in almost any order (RFC 6265, section 5.1.1).

use time::{Date, Month, Time};

const MONTHS: [&[u8]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

/// Parses a date in the formats of HTTP and of cookies, to seconds since the epoch.
pub fn parse(text: &[u8]) -> Option<i64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(|byte| is_delimiter(*byte)) {
        if time.is_none() && time_of(token).is_some() {
            time = time_of(token);
        } else if day.is_none() && number(token, 1..=2).is_some() {
            day = number(token, 1..=2).and_then(|(day, _)| u8::try_from(day).ok());
        } else if month.is_none() && month_of(token).is_some() {
            month = month_of(token);
        } else if year.is_none() {
            year = number(token, 2..=4).map(|(year, _)| year);
        }
    }
    let year = match year? {
        short @ 70..=99 => short + 1900,
        short @ 0..=69 => short + 2000,
        year => year,
    };
    let (hour, minute, second) = time?;
    let time = Time::from_hms(hour, minute, second).ok()?;
    let date = Date::from_calendar_date(year, month?, day?).ok()?;
    Some(date.with_time(time).assume_utc().unix_timestamp())
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'/' | b';'..=b'@' | b'['..=b'`' | b'{'..=b'~')
}

/// The number at the start of a token, if it has that many digits, and the rest of the token.
fn number(token: &[u8], digits: std::ops::RangeInclusive<usize>) -> Option<(i32, &[u8])> {
    let end = token.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(token.len());
    let (number, rest) = token.split_at(end);
    digits.contains(&end).then(|| (number.iter().fold(0, |n, digit| n * 10 + i32::from(digit - b'0')), rest))
}

fn time_of(token: &[u8]) -> Option<(u8, u8, u8)> {
    let (hour, rest) = number(token, 1..=2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 1..=2)?;
    let (second, _) = number(rest.strip_prefix(b":")?, 1..=2)?;
    Some((u8::try_from(hour).ok()?, u8::try_from(minute).ok()?, u8::try_from(second).ok()?))
}

fn month_of(token: &[u8]) -> Option<Month> {
    let name = token.get(..3)?;
    let index = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month))?;
    Month::try_from(u8::try_from(index + 1).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_that_servers_send_is_read() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 8:49:37 UTC",
            "Mon, 06 Nov 1994 08:49:37 +0000",
            "1994 06 november 08:49:37.5",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(784_111_777), "{text}");
        }
        assert_eq!(parse(b"Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(parse(b"Fri, 31-Dec-69 23:59:59 GMT"), Some(3_155_759_999));
    }

    #[test]
    fn what_lacks_a_piece_is_no_date() {
        for text in ["", "0", "-1", "Session", "06 Nov 1994", "30 Feb 2024 00:00:00", "1 Jan 2024 24:00:00"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in "[0-9:a-z ,-]{0,30}") {
            parse(bytes.as_bytes());
        }
    }
}
