//! When to order, and how long to wait after a failure.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::tls::Facts;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The longest pause that is respected. A longer one was stored while the clock was wrong.
const LONGEST_PAUSE: Duration = Duration::from_secs(7 * 86_400);

/// The time of renewal: after two thirds of the certificate's life, or when the authority suggests (RFC 9773). The
/// latter is kept out of the life's first hundredth, so that a suggestion in the past is no endless loop, and its last
/// tenth.
pub fn renewal(facts: &Facts, suggested: Option<Timestamp>) -> Timestamp {
    let life = facts.not_before.until(facts.not_after);
    match suggested {
        Some(suggested) => suggested.clamp(facts.not_before + life / 100, facts.not_before + life * 9 / 10),
        None => facts.not_before + life * 2 / 3,
    }
}

/// The time at `part` (0 to 1) of the suggested window. A random part spreads the renewals of clients whose
/// certificates were issued in the same hour (RFC 9773, section 4.2).
pub fn within(start: Timestamp, end: Timestamp, part: f64) -> Timestamp {
    start + start.until(end).mul_f64(part.clamp(0.0, 1.0))
}

/// The pause after `failures` failed attempts in a row, at least 1; `part` (0 to 1) varies it by a fifth.
///
/// An authority counts failed validations: Let's Encrypt allows five in an hour for each name. An attempt that ended
/// before an order does not count there, and is repeated sooner.
pub fn pause(failures: u32, ordered: bool, part: f64) -> Duration {
    let (first, longest) = if ordered { (2 * MINUTE, 6 * HOUR) } else { (MINUTE / 4, HOUR / 4) };
    let steps = failures.saturating_sub(1).min(16);
    let pause = first.saturating_mul(3_u32.saturating_pow(steps)).min(longest);
    pause.mul_f64(0.9 + 0.2 * part.clamp(0.0, 1.0))
}

/// The end of a pause, or the later time that the authority demands (`Retry-After`, RFC 8555, section 6.6).
pub fn end_of_pause(now: Timestamp, pause: Duration, retry_after: Option<Timestamp>) -> Timestamp {
    let end = now + pause;
    retry_after.map_or(end, |after| after.clamp(end, now + LONGEST_PAUSE))
}

/// The rest of a stored pause that ends at `until`.
pub fn rest_of_pause(now: Timestamp, until: Timestamp) -> Duration {
    let rest = now.until(until);
    if rest > LONGEST_PAUSE { Duration::ZERO } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn facts(days: u64) -> Facts {
        let not_before = Timestamp(1_000_000_000_000);
        Facts {
            not_before,
            not_after: not_before + DAY * u32::try_from(days).unwrap(),
            serial: vec![1],
            authority_key: None,
        }
    }

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life_or_as_suggested() {
        let facts = facts(90);
        let day = |day: u32| facts.not_before + DAY * day;
        assert_eq!(renewal(&facts, None), day(60));
        assert_eq!(renewal(&facts, Some(day(10))), day(10));
        assert_eq!(renewal(&facts, Some(day(70))), day(70));
        assert_eq!(renewal(&facts, Some(day(100))), day(81), "before it expires");
        assert_eq!(renewal(&facts, Some(Timestamp(0))), facts.not_before + DAY * 9 / 10, "no loop");
    }

    #[test]
    fn a_moment_lies_within_its_window() {
        let (start, end) = (Timestamp(1000), Timestamp(3000));
        assert_eq!([0.0, 0.5, 1.0, 7.0].map(|part| within(start, end, part).0), [1000, 2000, 3000, 3000]);
        assert_eq!(within(end, start, 0.5), end, "a window that ends before it starts");
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let minutes = |failures, ordered| pause(failures, ordered, 0.5).as_secs_f64() / 60.0;
        assert_eq!([1, 2, 3, 4, 5].map(|n| minutes(n, true).round()), [2.0, 6.0, 18.0, 54.0, 162.0]);
        assert_eq!([1, 2, 3, 4, 5].map(|n| minutes(n, false)), [0.25, 0.75, 2.25, 6.75, 15.0]);
        assert_eq!(minutes(u32::MAX, true), 360.0);
        assert!(pause(1, true, 0.0) < pause(1, true, 1.0));
        // No more than five validations in any hour.
        let starts: Vec<f64> = (1..10).scan(0.0, |at, n| Some(std::mem::replace(at, *at + minutes(n, true)))).collect();
        assert!(starts.windows(6).all(|six| six[5] - six[0] > 60.0), "{starts:?}");
    }

    #[test]
    fn a_pause_of_a_clock_that_was_wrong_does_not_count() {
        let now = Timestamp(1_000_000_000_000);
        assert_eq!(rest_of_pause(now, now + HOUR), HOUR);
        assert_eq!(rest_of_pause(now, Timestamp(0)), Duration::ZERO);
        assert_eq!(rest_of_pause(now, now + 400 * DAY), Duration::ZERO);
    }

    #[test]
    fn an_authority_can_make_a_pause_longer() {
        let now = Timestamp(1_000_000_000_000);
        assert_eq!(end_of_pause(now, HOUR, None), now + HOUR);
        assert_eq!(end_of_pause(now, HOUR, Some(now + MINUTE)), now + HOUR);
        assert_eq!(end_of_pause(now, HOUR, Some(now + 2 * HOUR)), now + 2 * HOUR);
        let year = end_of_pause(now, HOUR, Some(now + 365 * DAY));
        assert_eq!(rest_of_pause(now, year), LONGEST_PAUSE, "a year would not count");
    }
}
