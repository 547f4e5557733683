//! What an earlier process still holds. Keeps: whoever starts a server right after another one was killed need not wait;
//! what a living process holds is refused all the same, a little later.

use std::time::Duration;

use pintle_store::OpenError;
use tokio::time::{Instant, sleep};

use crate::error::Error;

/// The kernel closes the files and sockets of a killed process after it has taken back its memory: a second for tens of
/// gigabytes.
const PATIENCE: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(10);

/// Takes something as soon as it is free.
pub(crate) async fn succeed<T>(take: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    succeed_within(PATIENCE, take).await
}

async fn succeed_within<T>(
    patience: Duration,
    mut take: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let began = Instant::now();
    loop {
        match take() {
            Err(Error::AddressInUse { .. } | Error::Store(OpenError::InUse(_)))
                if began.elapsed() < patience =>
            {
                sleep(INTERVAL).await;
            }
            taken => return taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_use() -> Error {
        Error::AddressInUse { address: ([127, 0, 0, 1], 1).into(), flag: "--listen" }
    }

    #[tokio::test]
    async fn what_becomes_free_is_taken_and_what_does_not_is_refused() {
        let mut tries = 0;
        let taken = succeed_within(Duration::MAX, || {
            tries += 1;
            if tries < 3 { Err(in_use()) } else { Ok(tries) }
        });
        assert_eq!(taken.await.expect("it became free"), 3);
        let refused = succeed_within(Duration::ZERO, || Err::<(), _>(in_use())).await;
        assert!(matches!(refused, Err(Error::AddressInUse { .. })));
        let mut tries = 0;
        let other = succeed_within(Duration::MAX, || {
            tries += 1;
            Err::<(), _>(Error::PeerListenMissing)
        });
        assert!(matches!(other.await, Err(Error::PeerListenMissing)));
        assert_eq!(tries, 1, "what time does not mend is not waited for");
    }
}
