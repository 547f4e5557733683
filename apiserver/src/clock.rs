//! The clock and the source of randomness, so that tests can hold both still.

use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::time;

/// Time and randomness as the server needs them.
pub trait Clock: Send + Sync {
    /// Nanoseconds since the Unix epoch.
    fn unix_nanos(&self) -> i128;
    /// Fills `bytes` with unpredictable values.
    fn random(&self, bytes: &mut [u8]);
}

/// The machine's own.
#[derive(Default)]
pub struct SystemClock {
    random: Mutex<Random>,
}

/// Random bytes of the kernel, asked for many at a time: every request needs some, and a system call costs more
/// than all the rest that is done with them.
struct Random {
    bytes: Box<[u8; 1024]>,
    used: usize,
}

impl Default for Random {
    fn default() -> Random {
        Random { bytes: Box::new([0; 1024]), used: 1024 }
    }
}

impl Random {
    fn fill(&mut self, out: &mut [u8]) {
        if out.len() > self.bytes.len() - self.used {
            getrandom::fill(&mut *self.bytes).expect("the kernel always has random numbers");
            self.used = 0;
        }
        let taken = &mut self.bytes[self.used..self.used + out.len()];
        out.copy_from_slice(taken);
        // Nobody is to find later what was given out.
        taken.fill(0);
        self.used += out.len();
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    fn unix_nanos(&self) -> i128 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as i128)
    }

    fn random(&self, bytes: &mut [u8]) {
        let mut random = self.random.lock();
        bytes.chunks_mut(64).for_each(|piece| random.fill(piece));
    }
}

impl<'a> dyn Clock + 'a {
    /// Seconds since the Unix epoch.
    pub fn unix_seconds(&self) -> i64 {
        (self.unix_nanos() / 1_000_000_000) as i64
    }

    /// Now as Kubernetes prints times.
    pub fn now(&self) -> String {
        timestamp(self.unix_seconds())
    }

    /// Now as Kubernetes prints times where seconds do not suffice.
    pub fn now_in_microseconds(&self) -> String {
        let nanos = self.unix_nanos();
        let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(0);
        let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0);
        time::format_micros(time::Moment { seconds, nanos: rest }).to_string()
    }

    /// A random (version 4) UUID.
    pub fn uuid(&self) -> String {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut bytes = [0; 16];
        self.random(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut text = String::with_capacity(36);
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push(HEX[usize::from(byte >> 4)] as char);
            text.push(HEX[usize::from(byte & 15)] as char);
        }
        text
    }

    /// A random number below `count`, or 0.
    pub fn below(&self, count: u64) -> u64 {
        let mut bytes = [0; 8];
        self.random(&mut bytes);
        u64::from_le_bytes(bytes) % count.max(1)
    }

    /// `length` random letters and digits.
    pub fn suffix(&self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.random(&mut bytes);
        letters(&bytes)
    }
}

/// A letter or digit for each byte, of the alphabet that cannot spell words.
pub fn letters(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    bytes.iter().map(|byte| ALPHABET[usize::from(*byte) % ALPHABET.len()] as char).collect()
}

/// Unix seconds as `2006-01-02T15:04:05Z`.
pub fn timestamp(unix_seconds: i64) -> String {
    jiff::Timestamp::from_second(unix_seconds).map_or_else(|_| String::new(), |time| time.to_string())
}
