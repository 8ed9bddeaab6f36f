//! Majority of several servers' responses, of which some may be unreachable or stale.

use std::future::Future;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

/// The most frequent response until then. Returns early once more than half of those asked agree.
pub(super) async fn agreed<T: PartialEq>(
    asked: impl IntoIterator<Item = impl Future<Output = Option<T>>>,
    until: Instant,
) -> Option<T> {
    let mut waiting: FuturesUnordered<_> = asked.into_iter().collect();
    let half = waiting.len() / 2;
    let mut given: Vec<(T, usize)> = Vec::new();
    while let Ok(Some(response)) = timeout_at(until, waiting.next()).await {
        let Some(response) = response else { continue };
        let known = given.iter().position(|(known, _)| *known == response).unwrap_or_else(|| {
            given.push((response, 0));
            given.len() - 1
        });
        given[known].1 += 1;
        if given[known].1 > half {
            break;
        }
    }
    // On a tie, the first one.
    given.into_iter().rev().max_by_key(|(_, votes)| *votes).map(|(response, _)| response)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Responds after that many milliseconds.
    async fn says(answer: Option<u8>, after: u64) -> Option<u8> {
        tokio::time::sleep(Duration::from_millis(after)).await;
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn most_win_and_the_slow_are_not_waited_for() {
        let start = Instant::now();
        let until = start + Duration::from_millis(100);
        let asked = |answers: &[(Option<u8>, u64)]| {
            answers.iter().map(|(answer, after)| says(*answer, *after)).collect::<Vec<_>>()
        };
        assert_eq!(agreed(asked(&[(Some(1), 0), (Some(2), 1), (Some(2), 2), (None, 0)]), until).await, Some(2));
        assert_eq!(agreed(asked(&[(Some(1), 1), (Some(2), 2)]), until).await, Some(1));
        assert_eq!(agreed(asked(&[(Some(3), 5), (Some(3), 6), (Some(4), 5000)]), until).await, Some(3));
        assert!(start.elapsed() < Duration::from_millis(50));
        assert_eq!(agreed(asked(&[(Some(5), 5), (None, 6), (Some(4), 5000)]), until).await, Some(5));
        assert_eq!(start.elapsed(), Duration::from_millis(100));
        assert_eq!(agreed(asked(&[]), until).await, None);
    }
}
