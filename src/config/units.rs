//! Durations (`"90s"`), sizes (`"16KiB"`) and rates (`"20/15m"`), as they are written in the configuration.

use std::time::Duration;

/// A number in a span of time: `"20/15m"`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    pub count: u32,
    pub per: Duration,
}

/// A whole number and `ms`, `s`, `m`, `h` or `d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text).ok_or("a duration such as \"5s\", \"2m\" or \"500ms\" is needed")?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err(format!("a unit is missing: \"{number}s\"?")),
        _ => return Err(format!("`{unit}` is not a unit of time: ms, s, m, h or d")),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(|| "that is too long".to_owned())
}

/// A duration, or `off` for none.
pub fn duration_or_off(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "off" => Ok(None),
        _ => duration(text).map(Some).map_err(|why| format!("{why}, or \"off\"")),
    }
}

/// A whole number and `B`, `KiB`, `MiB`, `kB` or `MB`.
pub fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text).ok_or("a size such as \"16KiB\" is needed")?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "" => return Err(format!("a unit is missing: \"{number}KiB\"?")),
        _ => return Err(format!("`{unit}` is not a unit of size: B, KiB, MiB, kB or MB")),
    };
    number.checked_mul(bytes).and_then(|n| usize::try_from(n).ok()).ok_or_else(|| "that is too large".to_owned())
}

/// A rate of at least 1, in 1 second to 1 day.
pub fn rate(text: &str) -> Result<Rate, String> {
    let (count, per) = text.split_once('/').ok_or("a rate such as \"20/15m\" is needed")?;
    let count: u32 = count.trim().parse().map_err(|_| format!("`{}` is not a number of times", count.trim()))?;
    let per = duration(per.trim())?;
    if count == 0 || per < Duration::from_secs(1) || per > Duration::from_secs(86_400) {
        return Err("a rate counts at least 1 in a span of 1s to 1d".to_owned());
    }
    Ok(Rate { count, per })
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_sizes_and_rates_are_read() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration_or_off("off"), Ok(None));
        assert_eq!(size("16KiB"), Ok(16 * 1024));
        assert_eq!(rate("20/15m"), Ok(Rate { count: 20, per: Duration::from_secs(900) }));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "s", "5", "-5s", "1.5s", "5 weeks", "99999999999999999999s", "9999999999999999999d", "off"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["16", "16Kib", "KiB", "99999999999999999MiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        for text in ["20", "0/1m", "20/", "x/1m", "20/1ms", "20/2d"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
