//! A stream of bytes held to a rate. Keeps true: time is an argument; a pause saves nothing up.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Holds what shares it to so many bytes a second together.
#[derive(Debug)]
pub struct Pace {
    /// Bytes a second; `None`: as fast as it goes.
    rate: Option<u64>,
    /// When the next bytes may come.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// - `rate`: bytes a second, not 0; `None`: as fast as it goes.
    pub fn new(rate: Option<u64>) -> Self {
        Self { rate, next: Mutex::new(None) }
    }

    /// When `bytes` more may come, asked at `now`; the next ones must wait for their end.
    pub fn turn(&self, now: Instant, bytes: u64) -> Instant {
        let Some(rate) = self.rate else { return now };
        let mut next = self.next.lock().expect("no panic holds this lock");
        let begin = next.map_or(now, |next| next.max(now));
        *next = Some(begin + Duration::from_secs_f64(bytes as f64 / rate as f64));
        begin
    }

    /// Waits until `bytes` more may come.
    pub async fn wait(&self, bytes: u64) {
        tokio::time::sleep_until(self.turn(Instant::now(), bytes).into()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_keeps_its_pace_and_saves_none_up() {
        let pace = Pace::new(Some(1_000_000));
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let turns = [(0, 5_000), (0, 1_000), (2, 1_000), (100, 1_000), (100, 1_000)];
        let begins: Vec<Duration> =
            turns.iter().map(|(ms, bytes)| pace.turn(at(*ms), *bytes) - start).collect();
        assert_eq!(begins, [0, 5, 6, 100, 101].map(Duration::from_millis));
        assert_eq!(Pace::new(None).turn(at(3), 1 << 40), at(3));
    }
}
